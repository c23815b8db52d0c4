"""A plan was compiled under load, and taken from the cache afterwards on a quiet machine, where it
ran twice as long as the best rival: what is measured in a noisy moment is not kept, and said to be
so; what comes from the cache is said to, with its age.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Effort, Settings
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.measure.foreign_load import Reading
from stagecut.runtime.executor import Executor
from tests.support.onnx_models import MODELS
from tests.support.short_turns import try_again

RESIDUAL = MODELS["residual"].proto()


@pytest.fixture(autouse=True)
def _tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    try_again(monkeypatch)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many schedules were prepared, which none is that comes from the cache."""
    counts: Counter[str] = Counter()
    make = Executor.__init__

    def made(self: Executor, *arguments: object, **named: object) -> None:
        counts["schedules"] += 1
        make(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Executor, "__init__", made)
    return counts


def _loaded(busy: float) -> Callable[[], Reading]:
    """A machine of one CPU, `busy` with other work; each look at it takes a second."""
    seconds = iter(range(1000))

    def load() -> Reading:
        at_s = float(next(seconds))
        return Reading(at_s, busy * at_s, 0.0, None, cpus=1)

    return load


def _compiled(
    cache: Path, busy: float, now_s: float, effort: Effort = "quick"
) -> tuple[Plan, list[str]]:
    said: list[str] = []
    settings = Settings(
        cache=cache, effort=effort, load=_loaded(busy), now=lambda: now_s, warn=said.append
    )
    return compile_model(RESIDUAL, devices=["cpu.serial", "null"], settings=settings), said


def test_what_was_measured_under_load_is_measured_again(
    tmp_path: Path, prepared: Counter[str]
) -> None:
    plan, said = _compiled(tmp_path, busy=0.5, now_s=0.0)
    noise = "in a noisy moment and is not kept: other work took 50% of the CPUs"
    assert said == [f"the {what} was measured {noise}" for what in ("profile", "gate")]
    found = plan.first.planned.circumstances
    assert [(each.what, each.foreign_load) for each in found] == [("profile", 0.5), ("gate", 0.5)]
    assert not [each for each in tmp_path.iterdir() if not each.name.startswith("samples-")]
    prepared.clear()
    quiet, said = _compiled(tmp_path, busy=0.0, now_s=3600.0)
    assert prepared["schedules"]
    assert said == []
    assert [each.noise for each in quiet.first.planned.circumstances] == ["", ""]


def test_what_was_measured_in_quiet_is_kept_and_says_its_age(
    tmp_path: Path, prepared: Counter[str]
) -> None:
    _compiled(tmp_path, busy=0.0, now_s=0.0)
    prepared.clear()
    plan, said = _compiled(tmp_path, busy=0.9, now_s=7200.0)
    assert not prepared
    assert said == [
        f"the {what} is from the cache, measured 2 hours ago" for what in ("profile", "gate")
    ]
    assert [each.measured_at_s for each in plan.first.planned.circumstances] == [0.0, 0.0]


def test_more_effort_tries_more_often(tmp_path: Path, prepared: Counter[str]) -> None:
    """Each attempt at the profile prepares its path anew."""
    _compiled(tmp_path / "a", busy=0.0, now_s=0.0, effort="normal")
    once = prepared["schedules"]
    prepared.clear()
    _compiled(tmp_path / "b", busy=0.5, now_s=0.0, effort="normal")
    twice = prepared["schedules"]
    prepared.clear()
    _compiled(tmp_path / "c", busy=0.5, now_s=0.0, effort="thorough")
    assert once < twice < prepared["schedules"]
