"""Check many records of one schema at once, key by key.

    {"name": "a", "op": "Relu"}          name  "a", "b"         list[Name]
    {"name": "b", "op": "Add"}           op    "Relu", "Add"    list[str]

To check a list of numbers takes pydantic a fraction of the time of as many records with a number
each, and objects of many are made of columns, too (compiler/ir/in_bulk.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from types import GenericAlias
from typing import Any, NotRequired, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError


class Columns:
    """What records have under their keys, one record after the other."""

    def __init__(
        self, records: Sequence[Mapping[str, Any]], entries: Mapping[str, Sequence[Any]]
    ) -> None:
        """`entries` are, by key, those of the records that have it."""
        self._records = records
        self._entries = entries

    def __len__(self) -> int:
        return len(self._records)

    def count_keys(self) -> int:
        """How many keys the records have, and the objects in them, which are two deep."""
        outer = [column for column in self._entries.values() if column and _is_object(column[0])]
        inner = [[*chain.from_iterable(map(dict.values, column))] for column in outer]
        inmost = [column for column in inner if column and _is_object(column[0])]
        return sum(sum(map(len, objects)) for objects in (self._records, *outer, *inmost))

    def __call__(
        self, key: str, default: object = None, read: Callable[[Any], object] | None = None
    ) -> Iterable[Any]:
        """The entry of each record, or what `read` makes of it; `default`, of which `read` makes
        the same, where there is none."""
        if key not in self._entries:
            return repeat(default, len(self))
        entries: Iterable[Any] = self._entries[key]
        if len(self._entries[key]) < len(self):
            those = iter(entries)
            entries = [next(those) if key in each else default for each in self._records]
        return entries if read is None else map(read, entries)


class Records:
    """The schema of records, a TypedDict that forbids other keys: how each key is checked."""

    def __init__(self, document: type) -> None:
        self._required: frozenset[str] = document.__required_keys__  # type: ignore[attr-defined]
        self._checks: Mapping[str, TypeAdapter[list[Any]]] = {
            key: _many(hint, document.__pydantic_config__)  # type: ignore[attr-defined]
            for key, hint in get_type_hints(document, include_extras=True).items()
        }

    def checked(self, records: Sequence[Any]) -> Columns | None:
        """None where one is not in order: which, and what is wrong with it, is not known here."""
        try:
            keys = self._required.union(*records)
            return Columns(records, {key: self._column(records, key) for key in keys})
        except (KeyError, TypeError, ValidationError):  # of a key, of no record, of an entry
            return None

    def _column(self, records: Sequence[Any], key: str) -> list[Any]:
        check = self._checks[key]
        if key in self._required:
            return check.validate_python([each[key] for each in records])
        return check.validate_python([each[key] for each in records if key in each])


def _is_object(entry: Any) -> bool:
    """Of one that has been checked: a schema has objects in all places of a column, or in none."""
    return type(entry) is dict


def _many(hint: Any, config: ConfigDict) -> TypeAdapter[list[Any]]:
    """Checks the entries of one key, whose annotation may say that it can be missing."""
    entry = get_args(hint)[0] if get_origin(hint) is NotRequired else hint
    listed: Any = GenericAlias(list, (entry,))
    return TypeAdapter(listed, config=config)
