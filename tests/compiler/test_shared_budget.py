"""One budget of errors for the entries of a decoder: what each may be off by, and that they keep
it."""

import math
from pathlib import Path
from typing import Any

import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.entries import Entry
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.errors import AllFailedError, ToleranceError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.precision import SharedBudget
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.question import Question
from stagecut.compiler.report.decoding import DecodingFigures
from stagecut.passes.profile.handed_in import handed_in
from stagecut.passes.profile.profile import Profiled
from stagecut.passes.profile.synthetic import synthetic_costs
from tests.support.decoders import tiny_decoder

F32, INT8 = "cpu.serial", "cpu.int8.serial"
TOLERANCE = 0.2
ANSWER = "generate:prompt=5,new=9"


def _plan(*devices: str, objective: str = ANSWER, **options: Any) -> Plan:
    asked: dict[str, Any] = {"tolerance": TOLERANCE, **options}
    return compile_model(
        tiny_decoder(),
        devices=devices or (F32, INT8),
        objective=objective,
        decoding=DecodingOptions(capacity=32),
        settings=Settings(effort="quick", load=lambda: None, warn=lambda _: None),
        **asked,
    )


def _budget(plan: Plan) -> SharedBudget:
    assert plan.document.budget is not None
    return plan.document.budget


def _step_is_faster_in_few_bits(measurements: Measurements, expanded: ExpandedGraph) -> Profiled:
    """And the prompt in full precision."""
    best = INT8 if measurements.program.states else F32
    table = synthetic_costs(expanded, lambda devices: best if best in devices else devices[0])
    return handed_in(table, expanded, measurements.residents.names)


def _off(variant: PlannedVariant) -> float:
    assert variant.precision is not None
    found = variant.precision.of(variant.shipped.name)
    assert found is not None
    return found.error


def test_the_entries_keep_one_budget_together(tmp_path: Path) -> None:
    plan = _plan(INT8)
    budget = _budget(plan)
    assert budget.tolerance == TOLERANCE
    assert [*budget.shares] == ["prefill", "decode"]
    assert math.fsum(s**2 for s in budget.shares.values()) == pytest.approx(TOLERANCE**2)
    off = {name: _off(entry.variants[0]) for name, entry in plan.document.entries.items()}
    assert all(off.values())
    assert math.fsum(each**2 for each in off.values()) <= TOLERANCE**2
    assert off["decode"] <= budget.shares["decode"]
    plan.save(tmp_path / "a.plan")
    assert Plan.load(tmp_path / "a.plan").document.budget == budget


def test_the_step_has_what_the_prompt_does_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stagecut.compiler.question.profile_of", _step_is_faster_in_few_bits)
    plan = _plan()
    budget = _budget(plan)
    assert budget.shares["decode"] > 0.9 * TOLERANCE
    assert 1e-3 <= budget.shares["prefill"] < 0.3 * TOLERANCE
    assert budget.certificate is not None
    assert budget.certificate.exact
    prefill, decode = (each.variants[0] for each in plan.document.entries.values())
    optimum = prefill.certificate.total + 8 * decode.certificate.total
    assert budget.certificate.total == pytest.approx(optimum)
    figures = DecodingFigures.of(plan.document)
    assert figures is not None
    told = "\n".join(figures.lines())
    assert "of the 20 % that an answer may be off by (rms), prefill by" in told
    assert "optimal: no other schedule costs less" in told


def test_nothing_is_measured_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(measurements: Measurements, expanded: ExpandedGraph) -> Profiled:
        asked.append(expanded.graph.name)
        return _step_is_faster_in_few_bits(measurements, expanded)

    monkeypatch.setattr("stagecut.compiler.question.profile_of", counted)
    _plan()
    assert len(asked) == 2


def test_the_least_error_of_an_answer_is_told() -> None:
    with pytest.raises(ToleranceError, match=r"least error .* is 0\.0\d+ \(rms.*, at .*s"):
        _plan(INT8, tolerance=1e-4)


def test_an_entry_that_cannot_keep_its_share_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(question: Question, entry: Entry, weights: object) -> None:
        assert question.tolerance is not None
        raise ToleranceError("all are off by more", where=f"tolerance {question.tolerance:g}")

    monkeypatch.setattr("stagecut.compiler.question.profile_of", _step_is_faster_in_few_bits)
    monkeypatch.setattr("stagecut.compiler.pipeline.PlanEntry", refusing)
    with pytest.raises(
        ToleranceError,
        match=r"entry decode, whose share of the tolerance 0\.2 is 0\.1\d+: all are off by more",
    ):
        _plan()


def test_without_the_costs_of_all_each_has_an_equal_share(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(["fails"])

    def failing(measurements: Measurements, expanded: ExpandedGraph) -> Profiled:
        if next(calls, None) is not None:
            raise AllFailedError("no engine", where="here", fix="none")
        return _step_is_faster_in_few_bits(measurements, expanded)

    monkeypatch.setattr("stagecut.compiler.question.profile_of", failing)
    budget = _budget(_plan())
    assert budget.certificate is None
    assert budget.shares == pytest.approx(
        dict.fromkeys(("prefill", "decode"), TOLERANCE / math.sqrt(2))
    )


CASES = {
    "no answer whose time counts": {"objective": "latency"},
    "no tolerance": {"tolerance": None},
    "nothing that may be off": {"tolerance": 0.0},
    "nothing whose square is a number": {"tolerance": 1e-200},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES.keys())
def test_entries_by_themselves(options: dict[str, Any]) -> None:
    assert _plan(F32, **options).document.budget is None
