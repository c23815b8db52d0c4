"""The schema of `stagecut.costs/1`, and the sentences that are said of violations.

Only the JSON itself is checked here; names and cycles are checked by compiler/ir/costs.py.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from stagecut.compiler.formats.json_keys import repeated_key
from stagecut.compiler.formats.text_file import without_mark
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Basis

Cost = Annotated[float, Field(ge=0)]
Size = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]

_strict = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))


@_strict
class HostDocument(TypedDict):
    name: Name
    address: NotRequired[str]


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
    inputs: NotRequired[tuple[str, ...]]
    outputs: NotRequired[tuple[str, ...]]
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


def parse(text: str | bytes) -> TableDocument:
    """The document in `text`; raises CostTableError with the JSON path of the first violation.

    The error has no place where the text is no JSON at all.
    """
    text = without_mark(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    try:
        document = _TABLE.validate_json(text)
    except ValidationError as error:
        raise _explained(error) from None
    repeated = repeated_key(text)
    if repeated is not None:
        raise CostTableError("stands there twice", where=repeated, fix="keep one of the two")
    _check_links(document.get("links", ()))
    return document


def _check_links(links: Iterable[LinkDocument]) -> None:
    for index, link in enumerate(links):
        if "latency_s" in link and "bytes_per_s" not in link:
            raise CostTableError(
                "is missing, and there is a latency_s",
                where=f"links[{index}].bytes_per_s",
                fix="add it, or leave both out where each value has a move_s of its own",
            )


#: What is wrong and what to do, by pydantic's name of the violation.
_COST = ("{input} is not a cost", "costs are finite numbers and not negative")
_SENTENCES = {
    "missing": ("is missing", "add it, or compare with the format in docs/costs.md"),
    "extra_forbidden": ("unknown key", "remove it, or check how it is spelt"),
    "finite_number": _COST,
    "float_type": _COST,
    "greater_than_equal": ("{input} is negative", "costs and sizes are not negative"),
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
    problem, fix = _SENTENCES.get(first["type"], general)
    more = f" ({len(violations) - 1} more violations follow)" if len(violations) > 1 else ""
    return CostTableError(problem.replace("{input}", repr(given)) + more, where=where, fix=fix)


def _path(location: Iterable[int | str]) -> str:
    """`("nodes", 3, "run_s", "pim")` -> `nodes[3].run_s.pim`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".")
