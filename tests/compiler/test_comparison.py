"""Plans are compared once, and without those that crash or are wrong."""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from stagecut import backends
from stagecut.compiler.comparison import Comparison
from stagecut.compiler.ir.errors import ToleranceError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.kept_profile import profile_of
from stagecut.compiler.measure.crash_journal import Crash
from stagecut.compiler.measure.foreign_load import Reading
from stagecut.compiler.measurements import Measurements
from stagecut.passes.expand import Expand
from stagecut.passes.gate import alone
from stagecut.passes.gate.contenders import Proposal, proposals
from stagecut.passes.partition.partition import Partition


def _rivals(measured: Measurements) -> tuple[Proposal, ...]:
    costs = profile_of(measured, Expand(measured.context.backends)(measured.graph)).costs
    return proposals(costs, Partition()(costs), LATENCY)


def test_a_comparison_is_kept_and_builds_every_contender_once(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache")
    rivals = _rivals(first)
    costs = profile_of(first, Expand(first.context.backends)(first.graph)).costs
    runs.clear()
    compared = Comparison(first, LATENCY, None)(rivals, costs)
    assert runs["made"] == len(rivals)  # one of which is the reference
    assert [each.id for each in compared.contenders] == [each.id for each in rivals]
    assert compared.chosen.chosen
    assert [each.name for each in compared.chosen_accuracy] == ["y"]
    runs.clear()
    again = Comparison(measure(cache=tmp_path / "cache"), LATENCY, None)(rivals, costs)
    assert again == compared
    assert not runs


def test_configurations_are_built_once_however_often_it_is_measured(
    measure: Callable[..., Measurements], runs: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "most_behind", lambda _: math.inf)
    monkeypatch.setattr(
        backends,
        "configurations",
        lambda engine: ("watts_per_thread=2",) if engine.device.name == "cpu.serial" else (),
    )
    said: list[str] = []
    taken_s = itertools.count()
    busy = lambda: Reading(at_s := float(next(taken_s)), at_s, 0.0, None, cpus=1)  # noqa: E731
    measured = measure(effort="normal", load=busy, warn=said.append)
    rivals = _rivals(measured)
    costs = profile_of(measured, Expand(measured.context.backends)(measured.graph)).costs
    runs.clear()
    said.clear()
    compared = Comparison(measured, LATENCY, None)(rivals, costs)
    assert "noisy moment" in said[0]
    assert [each.id.configuration for each in compared.contenders].count("watts_per_thread=2") == 1
    assert runs["made"] == len(rivals) + 1


def test_what_is_too_far_off_takes_no_part(measure: Callable[..., Measurements]) -> None:
    measured = measure()
    rivals = _rivals(measured)
    costs = profile_of(measured, Expand(measured.context.backends)(measured.graph)).costs
    with pytest.raises(ToleranceError):
        Comparison(measured, LATENCY, -1.0)(rivals, costs)
    assert Comparison(measured, LATENCY, 1e-3)(rivals, costs).contenders


def test_a_stage_that_has_crashed_is_left_out_and_told(
    measure: Callable[..., Measurements],
) -> None:
    measured = measure()
    costs = profile_of(measured, Expand(measured.context.backends)(measured.graph)).costs
    whole = tuple(each.name for each in measured.graph.nodes)
    crashed = measure(crashes=(Crash("cpu.serial", whole, "exited"),))
    compared = Comparison(crashed, LATENCY, None)(_rivals(crashed), costs)
    assert "cpu.serial" not in {each.name for each in compared.contenders}
    assert compared.dropped == ("plan cpu.serial is left out: it crashed the process",)
