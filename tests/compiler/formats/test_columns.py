"""Records that are checked key by key are in order exactly where each of them is."""

import json
from typing import Annotated, Any, NotRequired

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from stagecut.compiler.formats.columns import Columns, record_of

_strict = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))


@_strict
class Part(TypedDict):
    runs: Annotated[int, Field(gt=0, le=9)]
    at: float


@_strict
class Document(TypedDict):
    name: Annotated[str, Field(min_length=1)]
    size: NotRequired[Annotated[int, Field(ge=0)]]
    costs: NotRequired[dict[str, Annotated[float, Field(ge=0)]]]
    users: NotRequired[list[str]]
    parts: NotRequired[dict[str, Part]]
    uses: NotRequired[dict[str, dict[str, float]]]


RECORDS = msgspec.json.Decoder(list[record_of(Document)])  # type: ignore[misc]
ONE_BY_ONE = TypeAdapter(list[Document])

_ENTRIES = (
    st.none()
    | st.integers(-1, 3)
    | st.floats()
    | st.sampled_from(["", "a"])
    | st.dictionaries(st.just("cpu"), st.none() | st.floats(-1, 3) | st.integers(-1, 3))
)
_ANYTHING = st.dictionaries(
    st.sampled_from(["name", "size", "costs", "users", "parts", "colour"]), _ENTRIES
)
_SOUND = st.fixed_dictionaries(
    {"name": st.sampled_from("ab")},
    optional={
        "size": st.integers(0, 3),
        "costs": st.dictionaries(st.just("cpu"), st.integers(0, 3) | st.floats(0, 3)),
        "users": st.lists(st.sampled_from("ab")),
        "parts": st.dictionaries(
            st.just("cpu"),
            st.fixed_dictionaries({"runs": st.integers(1, 9), "at": st.floats(-1, 3)}),
        ),
        "uses": st.dictionaries(
            st.sampled_from("ab"), st.dictionaries(st.sampled_from("cd"), st.floats(0, 3))
        ),
    },
)


def _one_by_one(records: list[Any]) -> list[Document] | None:
    try:
        return ONE_BY_ONE.validate_python(records)
    except ValidationError:
        return None


def _columns(records: object) -> Columns | None:
    """None for what is not in order."""
    try:
        return Columns(RECORDS.decode(json.dumps(records)))
    except ValueError:
        return None


@given(st.lists(_SOUND) | st.lists(_SOUND | _ANYTHING, max_size=3))
def test_what_is_refused_and_read_is_the_same_as_one_by_one(records: list[Any]) -> None:
    expected = _one_by_one(records)
    columns = _columns(records)
    assert (columns is None) == (expected is None)
    if columns is None or expected is None:
        return
    assert len(columns) == len(records)
    assert [*columns("name")] == [each["name"] for each in expected]
    assert [*columns("size", -1)] == [each.get("size", -1) for each in expected]
    assert [*columns("users", ())] == [tuple(each.get("users", ())) for each in expected]
    costs = [each.get("costs", {}) for each in expected]
    assert [*columns("costs", {})] == costs
    assert [*columns("costs", {}, _doubled)] == [_doubled(each) for each in costs]
    parts = [
        {key: msgspec.structs.asdict(part) for key, part in each.items()}
        for each in columns("parts", {})
    ]
    assert parts == [each.get("parts", {}) for each in expected]
    assert columns.count_keys() == sum(map(_keys_of, records))


def _keys_of(part: object) -> int:
    """How many keys there are in it, however deep."""
    return len(part) + sum(map(_keys_of, part.values())) if isinstance(part, dict) else 0


def _doubled(costs: dict[str, float]) -> dict[str, float]:
    return {device: 2 * cost for device, cost in costs.items()}


@pytest.mark.parametrize("record", [None, 1, "name", ["name"], [["name", "a"]], {}, {1: 2}, True])
def test_what_is_no_record_is_refused(record: object) -> None:
    assert _columns([{"name": "a"}, record]) is None
    assert _columns([record]) is None


def test_a_limit_that_is_not_known_is_no_schema() -> None:
    """None is lost on the way from the one library to the other."""

    class Odd(TypedDict):
        name: Annotated[str, Field(max_length=3)]

    with pytest.raises(KeyError, match="MaxLen"):
        record_of(Odd)
