"""Which shapes are tried out: few where they grow, and none is believed that does not fit."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.openvino.shapes import KnownShapes, Line, Shapes
from stagecut.compiler.ir.errors import EngineError


class _Trials:
    """Notes what is tried, and refuses what does not fit."""

    def __init__(self, fits: Callable[[Shapes], bool] = lambda _: True) -> None:
        self.tried: list[Shapes] = []
        self._fits = fits

    def __call__(self, shapes: Shapes) -> None:
        self.tried.append(shapes)
        if not self._fits(shapes):
            raise EngineError("it does not fit")


def _step(length: int) -> Shapes:
    """Of a decoder: a token, the mask, and what is held."""
    return (1, 1), (1, length + 1), (length, 1, 2, 4)


def test_a_sequence_that_grows_is_tried_a_few_times_for_each_doubling() -> None:
    trials = _Trials()
    known = KnownShapes(trials)
    for length in range(128, 10_128):
        known.check(_step(length))
    assert len(trials.tried) < 16 * math.log2(10_000)
    before = len(trials.tried)
    for length in (9_000, 130, 7_777):
        known.check(_step(length))
    assert len(trials.tried) == before


@pytest.mark.parametrize("limit", [513, 640, 1024])
def test_up_to_a_limit_few_are_tried_too(limit: int) -> None:
    trials = _Trials(lambda shapes: shapes[2][0] <= limit)
    known = KnownShapes(trials)
    for length in range(2, limit + 1):
        known.check(_step(length))
    assert len(trials.tried) < 200
    with pytest.raises(EngineError, match="does not fit"):
        known.check(_step(limit + 1))


def test_sequences_of_several_lengths_take_turns() -> None:
    trials = _Trials()
    known = KnownShapes(trials)
    for length in range(5, 1000):
        for begun in (500, 0, 90):
            known.check(_step(begun + length))
    assert len(trials.tried) < 200


@given(
    st.integers(1, 300),
    st.lists(st.integers(1, 300), min_size=1, max_size=60),
    st.sampled_from(["limit", "even", "one"]),
)
def test_what_does_not_fit_is_refused_and_what_fits_is_not(
    limit: int, lengths: list[int], rule: str
) -> None:
    """A limit on the length, lengths of one kind alone, or a single one."""
    fits: dict[str, Callable[[Shapes], bool]] = {
        "limit": lambda shapes: shapes[2][0] <= limit,
        "even": lambda shapes: shapes[2][0] % 2 == limit % 2,
        "one": lambda shapes: shapes[2][0] == limit,
    }
    known = KnownShapes(_Trials(fits[rule]))
    for length in lengths:
        shapes = _step(length)
        if fits[rule](shapes):
            known.check(shapes)
        else:
            with pytest.raises(EngineError, match="does not fit"):
                known.check(shapes)


@given(
    st.lists(st.booleans(), min_size=1, max_size=8),
    st.lists(st.integers(1, 300), min_size=1, max_size=60),
)
def test_what_fits_again_and_again_is_known_from_neighbours(
    rhythm: list[bool], lengths: list[int]
) -> None:
    """Sizes that are divided: floor(n / 3) beside floor((n + 1) / 3), say."""
    known = KnownShapes(_Trials(lambda shapes: rhythm[shapes[2][0] % len(rhythm)]))
    for length in lengths:
        try:
            known.check(_step(length))
        except EngineError:
            assert not rhythm[length % len(rhythm)]
        else:
            assert rhythm[length % len(rhythm)]


@given(st.integers(1, 50), st.integers(60, 200), st.integers(1, 300))
def test_a_size_that_stops_growing_is_seen(first: int, second: int, stop: int) -> None:
    """Of two sizes that have to be equal, one is cut off: wherever a line goes over that."""
    known = KnownShapes(_Trials(lambda shapes: min(shapes[2][0], stop) == shapes[2][0]))
    for length in (first, second, *range(first, 300)):
        try:
            known.check(_step(length))
        except EngineError:
            assert length > stop
        else:
            assert length <= stop


@given(
    st.sets(st.integers(1, 120), max_size=20),
    st.lists(st.integers(1, 120), min_size=1, max_size=60),
)
def test_what_was_refused_once_is_refused_again(wrong: set[int], lengths: list[int]) -> None:
    """Whatever was tried since, and whatever lines lie around it."""
    refused: set[int] = set()

    def trial(shapes: Shapes) -> None:
        if shapes[2][0] in wrong:
            refused.add(shapes[2][0])
            raise EngineError("it does not fit")

    known = KnownShapes(trial)
    for length in lengths:
        try:
            known.check(_step(length))
        except EngineError:
            assert length in wrong
        for each in sorted(refused):
            with pytest.raises(EngineError, match="does not fit"):
                known.check(_step(each))


def test_no_line_is_drawn_over_a_hole_and_behind_it_is_another() -> None:
    trials = _Trials(lambda shapes: not 40 <= shapes[2][0] < 45)
    known = KnownShapes(trials)
    known.check(_step(60))
    with pytest.raises(EngineError, match="does not fit"):
        known.check(_step(42))
    for length in (*range(1, 40), *range(45, 1000)):
        known.check(_step(length))
    with pytest.raises(EngineError, match="does not fit"):
        known.check(_step(42))
    assert len(trials.tried) < 250


def test_other_ranks_and_directions_are_on_no_line() -> None:
    line = Line.through((1, 4), (1, 10))
    assert line == Line((1, 4), (0, 1), 6) == Line.through((1, 10), (1, 4))
    assert (line.place((1, 7)), line.place((1, 3)), line.place((2, 7))) == (3, -1, None)
    assert line.place((1, 7, 1)) is None
    assert Line.through((1, 4), (2, 3)) is None
    assert Line.through((1, 4), (1, 4)) is None
    assert Line.through((1, 4), (1, 4, 5)) is None
    assert Line.through((2, 4), (6, 12)) == Line((2, 4), (1, 2), 4)
