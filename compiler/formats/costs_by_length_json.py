"""The costs of a decode step along its length as a file: `stagecut.costs-by-length/1`.

    {"schema": "stagecut.costs-by-length/1",
     "tables": [{"length": 128, "costs": <stagecut.costs/1>}, ...]}

What is true of one table says compiler/formats/costs_json.py; what is true of all of them together,
compiler/ir/costs_by_length.py.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from stagecut.compiler.formats.costs_json import table_of, write_costs
from stagecut.compiler.formats.costs_schema import check_keys, count_keys, parse_part
from stagecut.compiler.formats.text_file import in_utf8, read_text, without_mark
from stagecut.compiler.ir.collector import resting_collector
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.ir.errors import CostTableError

SCHEMA = "stagecut.costs-by-length/1"

#: The schema is the first key that is written, so that it stands within so many bytes.
_HEAD = 512

_strict = with_config(ConfigDict(extra="forbid", strict=True))


@_strict
class _TableDocument(TypedDict):
    length: Annotated[int, Field(gt=0, le=2**31 - 1)]
    costs: dict[str, Any]


@_strict
class _Document(TypedDict):
    schema: Literal["stagecut.costs-by-length/1"]
    tables: list[_TableDocument]


_DOCUMENT = TypeAdapter(_Document)


def write_costs_by_length(costs: CostsByLength) -> str:
    """As text; the same costs always give the same text."""
    tables = ",\n".join(
        f'{{"length": {length}, "costs": {write_costs(table).rstrip()}}}'
        for length, table in zip(costs.lengths, costs.tables, strict=True)
    )
    return f'{{\n"schema": {json.dumps(SCHEMA)},\n"tables": [\n{tables}\n]\n}}\n'


def is_by_length(source: Path | bytes) -> bool:
    """Whether a file, or what it holds, begins as such ones do; False for one that cannot be read,
    of which whoever reads it says why."""
    if isinstance(source, bytes):
        return json.dumps(SCHEMA).encode() in without_mark(source[:_HEAD])
    try:
        with source.open("rb") as file:
            return is_by_length(file.read(_HEAD))
    except OSError:
        return False


def read_costs_by_length(source: Path | str | bytes) -> CostsByLength:
    """The costs in a file (a Path) or in a text; raises CostTableError."""
    try:
        text = read_text(source) if isinstance(source, Path) else without_mark(in_utf8(source))
        document = _DOCUMENT.validate_json(text)
    except OSError as error:
        raise CostTableError(
            f"cannot be read: {error.strerror}",
            where=str(source),
            fix="give the path of a cost table, such as `stagecut profile --length` writes",
        ) from None
    except (UnicodeError, ValidationError) as error:
        raise CostTableError(
            f"is not what {SCHEMA} says: {_first(error)}",
            where=str(source) if isinstance(source, Path) else "costs by length",
            fix="see docs/costs.md",
        ) from None
    tables = document["tables"]
    inside = sum(len(each) + count_keys(each["costs"]) for each in tables)
    check_keys(text, len(document) + inside)
    lengths = tuple(each["length"] for each in tables)
    with resting_collector():
        return CostsByLength(lengths, tuple(_table(tables, at) for at in range(len(tables))))


def _table(tables: list[_TableDocument], index: int) -> CostTable:
    try:
        return table_of(parse_part(tables[index]["costs"]))
    except CostTableError as error:
        where = ", ".join(filter(None, (f"tables[{index}].costs", error.where)))
        raise CostTableError(error.problem, where=where, fix=error.fix) from None


def _first(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return "it is no text"
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{first['msg']}, at {where}" if where else first["msg"]
