"""What is right: by the reference's own answers, and by how much these change with roundings."""

import weakref
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.passes.gate.accuracy import Limit
from stagecut.passes.gate.further_inputs import InputSet
from stagecut.passes.gate.reference import Reference

X = np.linspace(-1, 3, 64, dtype=np.float32).reshape(8, 8)
LIMIT = Limit(1e-3)


def _of(run: Callable[[Tensor], Tensor], *, minds_nan: bool = False) -> Reference:
    return Reference(lambda feeds: {"y": run(feeds["x"])}, {"x": X}, minds_nan=minds_nan)


def _named(reference: Reference, name: str) -> InputSet:
    return next(each for each in reference.sets if each.name == name)


def _flaw(reference: Reference, name: str, output: Tensor, limit: Limit = LIMIT) -> str:
    flaw = reference.flaw(_named(reference, name), {"y": output}, limit)
    return "" if flaw is None else flaw.problem


def test_lower_precision_may_be_off_by_a_part_of_what_outputs_are_on_the_samples() -> None:
    """Its steps are as wide as the samples need them, which small outputs of other inputs show."""
    reference = _of(lambda x: x + np.float32(0.01))
    zeros = _named(reference, "zeros")
    right = reference.outputs(zeros)["y"]
    lower = Limit(0.05, asked=True, lower=True)
    assert not _flaw(reference, "zeros", right + np.float32(0.1), lower)
    assert "5.98 %" in _flaw(reference, "zeros", right + np.float32(0.18), lower)
    assert _flaw(reference, "zeros", right + np.float32(0.1), Limit(0.05, asked=True))
    assert reference.scale(zeros, lower) == {"y": pytest.approx(3.01)}
    assert reference.scale(reference.samples, lower) == {}


def test_each_set_runs_once() -> None:
    runs: Counter[bytes] = Counter()

    def run(feeds: Feeds) -> Mapping[str, Tensor]:
        runs[feeds["x"].tobytes()] += 1
        return {"y": feeds["x"]}

    reference = Reference(run, {"x": X})
    for each in (*reference.sets, *reference.sets):
        assert reference.flaw(each, reference.outputs(each), LIMIT) is None
    assert [*runs.values()] == [1] * 7  # that of the other sign, too


def test_no_more_outputs_are_alive_than_there_is_room_for() -> None:
    """And whoever asks gets the same answers, however little room there is."""

    def told(room: int) -> tuple[list[str], int]:
        made: list[weakref.ref[Tensor]] = []
        alive = 0

        def run(feeds: Feeds) -> Mapping[str, Tensor]:
            nonlocal alive
            output = feeds["x"][:, :2].sum(axis=1)
            made.append(weakref.ref(output))
            alive = max(alive, sum(each() is not None for each in made))
            return {"y": output}

        reference = Reference(run, {"x": X}, most_bytes=room * 8 * X.itemsize)
        found: list[str] = []
        for _ in range(3):  # contenders
            for each in reference.sets:
                for off in (0.0, 1e-4, 0.5):
                    output = each.feeds["x"][:, :2].sum(axis=1) * np.float32(1 + off)
                    found.append(str(reference.flaw(each, {"y": output}, LIMIT)))
        return found, alive

    enough, little = told(100), told(0)
    assert little[0] == enough[0]
    assert set(map(bool, enough[0])) == {True}
    # the answer on the inputs and the one nearby, or those that tell what a NaN reaches
    assert little[1] <= 4 < enough[1]


def test_what_is_asked_for_once_is_not_kept() -> None:
    reference = _of(lambda x: x + 1)
    inputs = InputSet("a batch", {"x": X})
    found = reference.once(inputs)
    assert not isinstance(found, str)
    gone = weakref.ref(found["y"])
    del found
    assert gone() is None
    assert reference.once(reference.samples) is not reference.once(reference.samples)
    assert reference.outputs(reference.samples) is reference.once(reference.samples)


def test_what_a_nan_does_not_reach_has_to_be_right() -> None:
    """Rows are summed up: most have a NaN in them, or both infinities, and the rest has not."""
    reference = _of(lambda x: x[:, :2].sum(axis=1))
    inputs = _named(reference, "NaN and infinities")
    expected = reference.outputs(inputs)["y"]
    reached = ~np.isfinite(expected)
    assert 0 < reached.sum() < 8
    anything = np.where(reached, np.float32(17), expected)
    assert not _flaw(reference, inputs.name, anything)
    assert "NaN" in _flaw(reference, inputs.name, np.full_like(expected, np.nan))
    assert "NaN" in _flaw(
        _of(lambda x: x[:, :2].sum(axis=1), minds_nan=True), inputs.name, anything
    )


def test_what_a_nan_reaches_is_not_told_by_chance() -> None:
    """Of the larger of a NaN and 0, this reference makes 0, as of all negative numbers."""
    reference = _of(lambda x: np.where(x > 0, x, np.float32(0)))
    inputs = _named(reference, "NaN and infinities")
    given = inputs.feeds["x"]
    assert not _flaw(reference, inputs.name, np.maximum(given, 0))
    assert _flaw(reference, inputs.name, np.maximum(given, 1))


def test_where_a_nan_reaches_everything_nothing_is_said() -> None:
    names = [each.name for each in _of(lambda x: x.sum(keepdims=True)).sets]
    assert "NaN and infinities" not in names
    assert len(names) == 5


def test_inputs_on_which_the_model_does_not_run_are_left_out() -> None:
    def run(x: Tensor) -> Tensor:
        if np.abs(x).max() > 50 or np.isnan(x).any():
            raise EngineError("out of range")
        return x

    names = ["the sample inputs", "random numbers", "zeros", "small numbers"]
    assert [each.name for each in _of(run).sets] == names


def test_without_the_samples_nothing_can_be_said() -> None:
    def run(x: Tensor) -> Tensor:
        raise EngineError("no such kernel")

    reference = _of(run)
    assert (reference.sets, reference.problem) == ((), "no such kernel")
    assert _of(lambda x: x).problem == ""


def test_roundings_decide_which_number_is_the_largest() -> None:
    """Of two columns that are all but equal; an answer that is off in one row is no worse than what
    the reference says on inputs nearby."""
    same = np.zeros(8, np.int64)
    nearby = same.copy()
    nearby[:2] = 1
    answers = iter([same, nearby])
    reference = _of(lambda _: next(answers))
    samples = InputSet("the sample inputs", {"x": X})
    one_off = same.copy()
    one_off[7] = 1
    assert reference.flaw(samples, {"y": one_off}, LIMIT) is None
    flaw = reference.flaw(samples, {"y": same + 1}, LIMIT)
    assert flaw is not None
    assert flaw.problem == "100.00% of y is not what it should be"


def test_what_changes_from_run_to_run_is_not_held_against_anybody() -> None:
    rng = np.random.default_rng(0)
    reference = _of(lambda x: rng.standard_normal(x.shape))
    assert not _flaw(reference, "random numbers", rng.standard_normal(X.shape) / 4)
    assert "float32" in _flaw(reference, "random numbers", X)


def test_a_limit_that_was_asked_for_holds_on_the_samples_whatever_roundings_do() -> None:
    rng = np.random.default_rng(0)
    reference = _of(lambda x: x + 0.01 * rng.random(x.shape, np.float32))
    off = X + np.float32(0.006)
    assert _flaw(reference, "the sample inputs", off, Limit(1e-3, asked=True))
    assert not _flaw(reference, "the sample inputs", off, Limit(1e-3))


def test_a_reference_that_fails_nearby_has_no_excuse() -> None:
    calls = iter([False, True])

    def run(x: Tensor) -> Tensor:
        if next(calls):
            raise EngineError("not here")
        return x

    reference = _of(run)
    samples = InputSet("the sample inputs", {"x": X})
    flaw = reference.flaw(samples, {"y": X + 1}, LIMIT)
    assert flaw is not None
    assert flaw.problem == "y is off by 33.3 % of its largest number"


@pytest.mark.parametrize("missing", [True, False])
def test_outputs_that_are_not_there(missing: bool) -> None:
    reference = _of(lambda x: x)
    outputs: Mapping[str, Tensor] = {} if missing else {"y": None}  # type: ignore[dict-item]
    for each in reference.sets:
        flaw = reference.flaw(each, outputs, LIMIT)
        assert flaw is not None
        assert flaw.problem == ("y is missing" if missing else "y is no array but a NoneType")
