"""HiGHS while somebody looks on."""

import gc
import signal
import threading
import weakref
from collections.abc import Iterator, Mapping
from itertools import combinations
from types import FrameType

import numpy as np
import pytest

from stagecut.passes.partition.milp.highs import Highs, row_scales
from stagecut.passes.partition.milp.solver import IntegerProgram, Point


def _hard() -> IntegerProgram:
    """Cover many pairs of variables, at made-up prices: minutes of branch and cut."""
    dice = np.random.default_rng(0)
    program = IntegerProgram()
    variables = [program.variable(dice.uniform(1, 1.1), whole=True) for _ in range(150)]
    for pair in combinations(variables, 2):
        if dice.random() < 0.12:
            program.at_least(1.0, dict.fromkeys(pair, 1.0))
    return program


def _fits(program: IntegerProgram, point: Point) -> bool:
    sums = np.zeros(len(program.lower))
    for row, column, factor in program.entries:
        sums[row] += factor * point[column]
    return bool((sums >= np.array(program.lower) - 1e-6).all())


def test_the_watch_is_told_of_points_and_bounds_and_may_end_it() -> None:
    program = _hard()
    told: list[tuple[Point | None, float]] = []

    def watch(point: Point | None, bound: float) -> bool:
        told.append((point, bound))
        return point is None or bound == 0.0

    outcome = program.solve(600.0, watch=watch)
    assert not outcome.solved
    assert outcome.point is not None
    prices = np.array(program.prices)
    for point in [point for point, _ in told if point is not None]:
        assert _fits(program, point)
        assert outcome.point @ prices <= point @ prices + 1e-6
    bounds = [bound for _, bound in told]
    assert bounds == sorted(bounds)
    assert bounds[-1] <= outcome.bound <= outcome.point @ prices


def test_a_point_to_begin_with_is_had_at_once() -> None:
    """HiGHS needs a while for any; half of the values are enough."""
    program = _hard()
    everything = dict.fromkeys(range(150), 1.0)
    outcome = program.solve(600.0, start=everything, watch=lambda *_: False)
    assert outcome.point is not None
    assert _fits(program, outcome.point)


@pytest.fixture
def alarm() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_an_interrupt_ends_it_and_leaves_no_thread() -> None:
    """Six hundred seconds would be more than a test may take."""
    threads = threading.active_count()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt):
        _hard().solve(600.0)
    assert threading.active_count() == threads


def test_nothing_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """C++ holds the callbacks, and they what it is: no collector would find that."""
    left: list[weakref.ref[Highs]] = []
    begin_with = Highs.begin_with

    def noted(highs: Highs, values: Mapping[int, float]) -> None:
        left.append(weakref.ref(highs))
        begin_with(highs, values)

    monkeypatch.setattr(Highs, "begin_with", noted)
    gc.disable()
    try:
        _hard().solve(600.0, start={0: 1.0}, watch=lambda *_: False)
        [one] = left
        assert one() is None
    finally:
        gc.enable()


def test_rows_are_scaled_by_powers_of_two() -> None:
    """So that no factor is as small as what HiGHS takes for nothing, as far as there is room."""
    rows = np.array([0, 0, 1, 1, 2, 2])
    factors = np.array([1.0, -1.0, -3e-6, -0.09, 5e5, 1e-9])
    scales = row_scales(rows, factors, np.array([1.0, -0.94, 0.0]))
    assert scales.tolist() == [1.0, 2.0**19, 2.0**10]


def test_a_row_of_small_numbers_is_kept_to() -> None:
    """HiGHS by itself keeps to rows within 1e-6."""
    program = IntegerProgram()
    right, cheap = program.variable(2.0, whole=True), program.variable(1.0, whole=True)
    program.at_least(1.0, {right: 1.0, cheap: 1.0})
    program.at_least(-1e-7, {cheap: -3e-7})
    found = program.solve(10.0)
    assert found.point is not None
    assert found.point.tolist() == pytest.approx([1.0, 0.0])
