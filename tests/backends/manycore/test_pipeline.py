"""Sequences of tiles in closed form against events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.manycore.pipeline import NOTHING, Fetch, Pipeline, Step, Tile
from tests.support.manycore_replay import Cluster

fetches = st.builds(Fetch, st.integers(0, 900).map(float), st.integers(0, 700))
steps = st.builds(Step, fetches, st.integers(1, 900).map(float))


@st.composite
def tiles(draw: st.DrawFn) -> Tile:
    count, first, store = draw(st.integers(0, 4)), draw(steps), draw(fetches)
    if draw(st.booleans()):
        return Tile(count, first, store)
    repeats = draw(st.integers(0, 4))
    middle = draw(steps) if repeats else None
    return Tile(count, first, store, middle, repeats, draw(steps))


@given(
    st.lists(tiles(), max_size=4),
    st.booleans(),
    st.integers(0, 9),
    st.sampled_from([0.0, 0.25, 1.0]),
)
def test_the_closed_form_is_what_the_events_give(
    several: list[Tile], double: bool, barrier: int, disturbs: float
) -> None:
    modelled = Pipeline(double, barrier, disturbs).cycles(several)
    assert modelled == pytest.approx(Cluster(double, barrier, disturbs).run(several))


@given(st.lists(tiles(), max_size=4))
def test_nothing_is_slower_for_being_fetched_early(several: list[Tile]) -> None:
    in_turn, early = (Pipeline(double, 3, 0.0).cycles(several) for double in (False, True))
    assert early <= in_turn


def test_drawn() -> None:
    """L0 10 | T 30 over L1 20 | T 30 over nothing | S 5, a barrier of 1 after each."""
    one = Tile(1, Step(Fetch(10.0, 0), 30.0), Fetch(5.0, 0), None, 0, Step(Fetch(20.0, 0), 30.0))
    assert Pipeline(True, 1, 0.25).cycles([one]) == (10 + 1) + (30 + 1) + (30 + 1) + (5 + 1)
    assert Pipeline(False, 1, 0.25).cycles([one]) == 10 + 30 + 20 + 30 + 5 + 5 * 1


def test_no_tile_takes_no_time() -> None:
    assert Pipeline(True, 3, 0.25).cycles([Tile(0, Step(NOTHING, 1.0), NOTHING)]) == 0
