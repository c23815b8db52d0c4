"""Read many records of one schema at once, key by key.

    {"name": "a", "op": "Relu"}          name  "a", "b"
    {"name": "b", "op": "Add"}           op    "Relu", "Add"

A record is checked by msgspec while its text is parsed, which takes a fraction of the time of an
object of Python for each part of it that is checked afterwards; and objects of many are made of
columns (compiler/ir/in_bulk.py). The schema itself is a TypedDict as pydantic reads it, which says
in more words what is wrong.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import attrgetter, is_
from types import GenericAlias
from typing import Annotated, Any, NotRequired, get_args, get_origin, get_type_hints

import msgspec
from annotated_types import Ge, Gt, Le, MinLen
from msgspec import UNSET, Meta, Struct, UnsetType
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict


def record_of(document: type) -> type[Struct]:
    """What a record of `document` is read as, a TypedDict that forbids other keys: an attribute for
    each key, UNSET where it is not there. Lists are read as tuples."""
    hints = get_type_hints(document, include_extras=True)
    return msgspec.defstruct(
        document.__name__,
        [_field(key, hint) for key, hint in hints.items()],
        forbid_unknown_fields=True,
        kw_only=True,
        frozen=True,
        gc=False,
    )


class Columns:
    """What records have under their keys, one record after the other."""

    def __init__(self, records: Sequence[Struct]) -> None:
        self._count = len(records)
        keys = records[0].__struct_fields__ if records else ()
        read = {key: [*map(attrgetter(key), records)] for key in keys}
        missing = {key: sum(map(is_, column, repeat(UNSET))) for key, column in read.items()}
        #: Without those of keys that no record has.
        self._columns = {key: read[key] for key in keys if missing[key] < self._count}
        #: The keys that some records have not.
        self._gaps = {key for key in self._columns if missing[key]}
        self._keys = sum(self._count - missing[key] for key in self._columns)

    def __len__(self) -> int:
        return self._count

    def count_keys(self) -> int:
        """How many keys the records have, and the objects in them, which are two deep."""
        there = (
            [entry for entry in column if entry is not UNSET] if key in self._gaps else column
            for key, column in self._columns.items()
        )
        outer = [column for column in there if type(column[0]) is dict]
        inner = [[*chain.from_iterable(map(dict.values, column))] for column in outer]
        return (
            self._keys
            + sum(sum(map(len, column)) for column in outer)
            + sum(map(_count_objects, inner))
        )

    def __call__(
        self, key: str, default: object = None, read: Callable[[Any], object] | None = None
    ) -> Iterable[Any]:
        """The entry of each record, or what `read` makes of it; `default`, of which `read` makes
        the same, where there is none."""
        if key not in self._columns:
            return repeat(default, self._count)
        entries: Iterable[Any] = self._columns[key]
        if key in self._gaps:
            entries = [default if entry is UNSET else entry for entry in entries]
        return entries if read is None else map(read, entries)


def _count_objects(column: Sequence[Any]) -> int:
    """How many keys they have, which are objects or are not, all of them."""
    first = next(iter(column), None)
    if isinstance(first, Struct):
        return len(column) * len(first.__struct_fields__)
    return sum(map(len, column)) if type(first) is dict else 0


def _field(key: str, hint: Any) -> tuple[str, Any] | tuple[str, Any, UnsetType]:
    if get_origin(hint) is NotRequired:
        return key, _as_read(get_args(hint)[0]) | UnsetType, UNSET
    return key, _as_read(hint)


def _as_read(hint: Any) -> Any:
    """The annotation for msgspec that says what `hint` says to pydantic."""
    if is_typeddict(hint):
        return record_of(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[_as_read(parts[0]), Meta(**_limits(parts[1:]))]
    if origin is list:
        return GenericAlias(tuple, (_as_read(parts[0]), ...))
    if origin is dict:
        return GenericAlias(dict, tuple(map(_as_read, parts)))
    return hint


#: The name of each limit, here and there.
_LIMITS = {Ge: "ge", Gt: "gt", Le: "le", MinLen: "min_length"}


def _limits(annotations: Iterable[Any]) -> Mapping[str, Any]:
    limits = chain.from_iterable(
        each.metadata if isinstance(each, FieldInfo) else (each,) for each in annotations
    )
    return {_LIMITS[type(limit)]: getattr(limit, _LIMITS[type(limit)]) for limit in limits}
