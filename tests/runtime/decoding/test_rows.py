"""The bookkeeping of states, against lists of rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.state import State
from stagecut.runtime.decoding.rows import Rows

STATES = (
    State("past.k", "present.k", "float32", (1, 2), 1),
    State("past.v", "present.v", "float16", (3,), 0),
)
CAPACITY = 12


def _new(start: int, count: int) -> dict[str, np.ndarray]:
    """Rows that hold the numbers from `start` on."""
    numbers = np.arange(start, start + count)
    return {
        "present.k": np.broadcast_to(numbers[:, None, None], (count, 1, 2)).astype(np.float32),
        "present.v": np.broadcast_to(numbers[:, None], (count, 3)).astype(np.float16),
    }


def _held(rows: Rows) -> list[int]:
    past = rows.past()
    assert (past["past.k"][:, 0, 0] == past["past.v"][:, 2]).all()
    return [int(number) for number in past["past.k"][:, 0, 1]]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 4)),
            st.tuples(st.just("truncate"), st.integers(0, CAPACITY)),
            st.tuples(st.just("fork"), st.just(0)),
        ),
        max_size=12,
    )
)
def test_against_lists(steps: list[tuple[str, int]]) -> None:
    """Forks stay as they were whatever the original does, and the other way round."""
    pairs: list[tuple[Rows, list[int]]] = [(Rows(STATES, CAPACITY), [])]
    for at, (step, number) in enumerate(steps):
        rows, model = pairs[at % len(pairs)]
        if step == "append" and len(model) + number <= CAPACITY:
            rows.append(_new(10 * at, number), number)
            model += range(10 * at, 10 * at + number)
        elif step == "truncate" and number <= len(model):
            rows.truncate(number)
            del model[number:]
        elif step == "fork":
            pairs.append((rows.copy(), [*model]))
        assert all(_held(rows) == model for rows, model in pairs)
        assert all(rows.length == len(model) for rows, model in pairs)


def test_takes_what_its_states_take_and_moves_nothing() -> None:
    rows = Rows(STATES, CAPACITY)
    assert rows.size_bytes == CAPACITY * sum(state.row_bytes for state in STATES)
    rows.append(_new(0, 3), 3)
    before = rows.past()
    rows.append(_new(3, 2), 2)
    for name, view in rows.past().items():
        assert np.shares_memory(view, before[name])
        assert view.flags.c_contiguous


def test_another_number_of_rows_than_of_tokens_adds_nothing() -> None:
    rows = Rows(STATES, CAPACITY)
    with pytest.raises(UsageError, match="3 rows came back for 2 tokens"):
        rows.append({**_new(0, 2), "present.v": _new(0, 3)["present.v"]}, 2)
    assert rows.length == 0


@pytest.mark.parametrize("length", [-1, 3, 1.5, True, None, "1"])
def test_cut_to_more_than_there_is(length: Any) -> None:
    rows = Rows(STATES, CAPACITY)
    rows.append(_new(0, 2), 2)
    with pytest.raises(UsageError, match=f"holds 2 tokens, and cannot be cut to {length!r}"):
        rows.truncate(length)
    assert rows.length == 2
