"""The schema of `stagecut.costs/1`, and the sentences that are said of violations.

Only the JSON itself is checked here; names and cycles are checked by compiler/ir/costs.py.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import GenericAlias
from typing import Annotated, Any, Literal, NotRequired

from msgspec import UNSET, Struct, defstruct
from msgspec.json import Decoder
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import from_json
from typing_extensions import TypedDict

from stagecut.compiler.formats.columns import Columns, record_of
from stagecut.compiler.formats.json_keys import has_no_more_keys, repeated_key
from stagecut.compiler.formats.text_file import without_mark
from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Basis

Cost = Annotated[float, Field(ge=0)]
Size = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0, le=2**31 - 1)]
Factor = Annotated[float, Field(ge=1, le=MOST)]
Name = Annotated[str, Field(min_length=1)]

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_strict = with_config(_STRICT)


@_strict
class HostDocument(TypedDict):
    name: Name
    address: NotRequired[str]
    handling_s: NotRequired[Cost]
    loaded_factor: NotRequired[Factor]


@_strict
class ResourceDocument(TypedDict):
    name: Name
    units: NotRequired[Count]
    host: NotRequired[str]


@_strict
class MemoryDocument(TypedDict):
    name: Name
    capacity_bytes: NotRequired[Size]
    host: NotRequired[str]


@_strict
class DeviceDocument(TypedDict):
    name: Name
    memory: str
    basis: NotRequired[Basis]
    stage_s: NotRequired[Cost]
    power_w: NotRequired[Cost]
    peak_flop_per_s: NotRequired[Cost]
    peak_bytes_per_s: NotRequired[Cost]
    description: NotRequired[str]
    precision: NotRequired[str]
    resource: NotRequired[str]
    cores: NotRequired[Count]
    batch: NotRequired[Count]


@_strict
class LinkDocument(TypedDict):
    """Without a bandwidth there is no latency either: each value has a `move_s` of its own."""

    source: str
    target: str
    latency_s: NotRequired[Cost]
    bytes_per_s: NotRequired[Annotated[float, Field(gt=0)]]
    basis: NotRequired[Basis]


@_strict
class SpreadDocument(TypedDict):
    runs: Count
    min_s: Cost
    p25_s: Cost
    p75_s: Cost


@_strict
class ValueDocument(TypedDict):
    """The keys of `move_s`, `move_j` and `move_spread` are routes: `"host>pim"`."""

    name: Name
    size_bytes: Size
    move_s: NotRequired[dict[str, Cost]]
    move_j: NotRequired[dict[str, Cost]]
    move_spread: NotRequired[dict[str, SpreadDocument]]


@_strict
class NodeDocument(TypedDict):
    """The keys of `run_s`, `run_j`, `run_spread` and `held_bytes` are devices; those of `uses` are
    budgets, and below them devices."""

    name: Name
    op: str
    run_s: dict[str, Cost]
    inputs: NotRequired[list[str]]
    outputs: NotRequired[list[str]]
    weight_bytes: NotRequired[Size]
    held_bytes: NotRequired[dict[str, Size]]
    run_j: NotRequired[dict[str, Cost]]
    run_spread: NotRequired[dict[str, SpreadDocument]]
    uses: NotRequired[dict[str, dict[str, Cost]]]


@_strict
class EndpointDocument(TypedDict):
    name: str
    memory: str


@_strict
class BudgetDocument(TypedDict):
    name: Name
    limit: Cost


def _named(memory: object) -> object:
    """A memory without a capacity may be given by its name alone."""
    return {"name": memory} if isinstance(memory, str) else memory


@_strict
class TableDocument(TypedDict):
    schema: Literal["stagecut.costs/1"]
    name: str
    hosts: NotRequired[list[HostDocument]]
    resources: NotRequired[list[ResourceDocument]]
    memories: list[Annotated[MemoryDocument, BeforeValidator(_named)]]
    devices: list[DeviceDocument]
    links: NotRequired[list[LinkDocument]]
    inputs: NotRequired[list[EndpointDocument]]
    outputs: NotRequired[list[EndpointDocument]]
    budgets: NotRequired[list[BudgetDocument]]
    values: list[ValueDocument]
    nodes: list[NodeDocument]


_TABLE = TypeAdapter(TableDocument)

#: The parts of which there may be millions, and what one of each is read as.
_LONG = {"values": record_of(ValueDocument), "nodes": record_of(NodeDocument)}

#: How many values or nodes are taken at a time: few enough for a processor's caches.
_AT_A_TIME = 10_000


def _long_or_anything(key: str) -> Any:
    return GenericAlias(list, (_LONG[key],)) if key in _LONG else Any


#: A table whose long parts are checked, and nothing else.
_READ: type[Struct] = defstruct(
    "Table",
    [
        (key, _long_or_anything(key), *(() if key in TableDocument.__required_keys__ else (UNSET,)))
        for key in TableDocument.__annotations__
    ],
    forbid_unknown_fields=True,
    kw_only=True,
)
_DECODER = Decoder(_READ)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document whose `table` has neither values nor nodes. These come some at a time and are kept
    nowhere, so that a table is never in memory twice: each of the two can be gone through once."""

    table: TableDocument
    values: Iterator[Columns]
    nodes: Iterator[Columns]


def parse(text: str | bytes) -> Parsed:
    """The document in `text`; raises CostTableError with the JSON path of the first violation.

    The error has no place where the text is no JSON at all. At the end of both long parts it is
    known whether a key stands there twice: going through them raises CostTableError, too.
    """
    text = without_mark(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    try:
        read = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _violation(_loaded(text), error, text) from None
    short = _short_parts(read)
    table = _table(short)
    return _parsed(table, read, _Keys(text, count_keys(short)))


class _Keys:
    """How many different keys of `text` have been come across, whose long parts are gone through
    one after the other; at the end of the last one, they are held against the text."""

    def __init__(self, text: bytes, keys: int) -> None:
        self._text = text
        self._keys = keys
        self._ahead = len(_LONG)

    def add(self, columns: Columns) -> None:
        self._keys += columns.count_keys()

    def end(self) -> None:
        """Of a part; raises CostTableError where a key repeats another."""
        self._ahead -= 1
        if not self._ahead:
            check_keys(self._text, self._keys)


def parse_part(raw: Any) -> Parsed:
    """The document in `raw`, a part of a text whose keys are checked; raises CostTableError as
    `parse` does."""
    try:
        read = _DECODER.decode(json.dumps(raw, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise _violation(raw, error) from None
    return _parsed(_table(_short_parts(read)), read)


def check_keys(text: bytes, keys: int) -> None:
    """Raises CostTableError where a key repeats another: `text` is JSON, whose objects have `keys`
    different ones."""
    repeated = None if has_no_more_keys(text, keys) else repeated_key(text)
    if repeated is not None:
        raise _twice(repeated)


def _twice(key: str) -> CostTableError:
    return CostTableError("stands there twice", where=key, fix="keep one of the two")


def _short_parts(read: Struct) -> dict[str, Any]:
    """All parts that are there; in place of the long ones, lists of nothing."""
    parts = {key: [] if key in _LONG else getattr(read, key) for key in read.__struct_fields__}
    return {key: part for key, part in parts.items() if part is not UNSET}


def _table(short: dict[str, Any]) -> TableDocument:
    try:
        return _TABLE.validate_python(short)
    except ValidationError as error:
        raise _explained(error) from None


def _parsed(table: TableDocument, read: Struct, keys: _Keys | None = None) -> Parsed:
    """Without `keys`, they have been checked."""
    _check_links(table.get("links", ()))
    values, nodes = (_some_at_a_time(getattr(read, key), keys) for key in _LONG)
    return Parsed(table, values, nodes)


def _loaded(text: bytes) -> Any:
    try:
        return from_json(text)
    except ValueError as error:
        raise CostTableError(f"Invalid JSON: {error}", fix="see docs/costs.md") from None


def _some_at_a_time(records: list[Struct], keys: _Keys | None) -> Iterator[Columns]:
    """`records`, of which nothing is left."""
    records.reverse()
    while records:
        columns = Columns(records[: -_AT_A_TIME - 1 : -1])
        del records[-_AT_A_TIME:]
        if keys is not None:
            keys.add(columns)
        yield columns
    if keys is not None:
        keys.end()


def _violation(raw: Any, refused: Exception, text: bytes = b"{}") -> CostTableError:
    """What is wrong with all of it, which was refused while it was read; in `text`, of a key that
    stands there twice the first entry may be."""
    try:
        _TABLE.validate_python(raw)
    except ValidationError as error:
        return _explained(error)
    repeated = repeated_key(text)
    if repeated is not None:
        return _twice(repeated)
    return CostTableError(f"cannot be read: {refused}", fix="see docs/costs.md")


def count_keys(raw: Any) -> int:
    """How many different keys the objects of a table have, whose objects are three deep."""
    parts = raw.values() if isinstance(raw, dict) else ()
    records = [record for part in parts if isinstance(part, list) for record in part]
    records = [record for record in records if type(record) is dict]
    inner = [part for record in records for part in record.values() if type(part) is dict]
    inmost = [part for each in inner for part in each.values() if type(part) is dict]
    return len(parts) + sum(sum(map(len, objects)) for objects in (records, inner, inmost))


def _check_links(links: Iterable[LinkDocument]) -> None:
    for index, link in enumerate(links):
        if "latency_s" in link and "bytes_per_s" not in link:
            raise CostTableError(
                "is missing, and there is a latency_s",
                where=f"links[{index}].bytes_per_s",
                fix="add it, or leave both out where each value has a move_s of its own",
            )


#: How many characters of what is wrong are shown.
_SHOWN = 60

#: What is wrong and what to do, by pydantic's name of the violation.
_COST = ("{input} is not a cost", "costs are finite numbers and not negative")
_SENTENCES = {
    "missing": ("is missing", "add it, or compare with the format in docs/costs.md"),
    "extra_forbidden": ("unknown key", "remove it, or check how it is spelt"),
    "finite_number": _COST,
    "float_type": _COST,
    "greater_than_equal": ("{input} is negative", "costs and sizes are not negative"),
    "less than once": ("{input} is less than 1", "so many times as long is 1 or more"),
}


def _explained(error: ValidationError) -> CostTableError:
    """The first violation in our own words; an unknown schema goes before all others."""
    violations = error.errors(include_url=False)
    first = min(violations, key=lambda violation: violation["loc"] != ("schema",))
    where, given = _path(first["loc"]), first["input"]
    if where == "schema" and first["type"] == "literal_error":
        return CostTableError(
            f"{given!r} is not a schema that this version of stagecut reads",
            where=where,
            fix='it reads "stagecut.costs/1": upgrade stagecut if the table is newer',
        )
    general = (first["msg"].replace("Input should be", "should be"), "see docs/costs.md")
    is_factor = first.get("ctx", {}).get("ge") == 1
    problem, fix = _SENTENCES.get("less than once" if is_factor else first["type"], general)
    more = f" ({len(violations) - 1} more violations follow)" if len(violations) > 1 else ""
    return CostTableError(problem.replace("{input}", _short(given)) + more, where=where, fix=fix)


def _short(given: object) -> str:
    """As Python writes it, but for what would fill the screen."""
    text = repr(given)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def _path(location: Iterable[int | str]) -> str:
    """`("nodes", 3, "run_s", "pim")` -> `nodes[3].run_s.pim`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".")
