"""Errors as a budget of a compile: what it predicts is beside what was measured, and what cannot be
kept is refused.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.error_budget import ErrorBudget, lower_devices, without_idle
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import ERROR, with_error_limit
from stagecut.compiler.ir.errors import FeedError, StagecutError, ToleranceError, UsageError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.whole_replicas import with_all_cores
from stagecut.passes.expand import Expand
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.profile.synthetic import synthetic_costs
from tests.support.decoders import tiny_decoder
from tests.support.products import SIZE, nothing_to_quantise, products, side_by_side

F32, INT8, INT4 = "cpu.serial", "cpu.int8.serial", "cpu.int4.serial"


def _planned(*devices: str, cache: Path | None = None, **options: object) -> PlannedVariant:
    settings = Settings(effort="quick", cache=cache, load=lambda: None, warn=lambda _: None)
    asked = {"model": products(), "devices": devices or (F32, INT8, INT4), **options}
    plan = compile_model(settings=settings, **asked)  # type: ignore[arg-type]
    stored = read_costs(plan.first.costs)
    assert [node.run_s for node in stored.nodes] == [
        node.run_s for node in plan.first.planned.nodes
    ]
    return plan.first.planned


def test_errors_are_in_the_costs_and_both_figures_in_the_plan() -> None:
    planned = _planned(INT8, INT4, tolerance=0.5)
    precision = planned.precision
    assert precision is not None
    assert (precision.tolerance, precision.runs) == (0.5, len(planned.nodes))
    by_name = {each.name: each for each in precision.contenders}
    for name in (INT8, INT4):
        found = by_name[name]
        assert found.kept
        assert found.measured is not None
        assert found.predicted == pytest.approx(found.measured, rel=0.3)
    assert by_name[INT8].predicted < by_name[INT4].predicted
    assert "held-out samples" in (planned.checks.inputs if planned.checks else ())


def test_errors_add_up_at_each_output_by_itself() -> None:
    """What each node does where it is worst would add up to twice of what any output is off by."""
    precision = _planned(F32, INT4, model=side_by_side(), tolerance=0.5).precision
    assert precision is not None
    coarse = precision.of(INT4)
    assert coarse is not None
    assert coarse.measured is not None
    assert coarse.predicted == pytest.approx(coarse.measured, rel=0.3)


def test_a_budget_is_kept_on_held_out_samples(tmp_path: Path) -> None:
    pins = ["m0=cpu.int8.serial"]
    found = [_planned(tolerance=0.05, pins=pins, cache=tmp_path) for _ in range(2)]
    precision = found[0].precision
    assert precision is not None
    shipped = precision.of(found[0].shipped.name)
    assert shipped is not None
    assert shipped.measured is not None
    assert 0 < shipped.measured <= 0.05
    assert found[0].precision == found[1].precision  # from the cache
    assert found[0].account.uses[ERROR] <= 0.05**2


def test_the_front_is_of_time_against_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = backends.create_all([F32, INT8, INT4])
    settings = Settings(effort="thorough", load=lambda: None, warn=lambda _: None)
    context = CompileContext(engines, {name: name for name in engines}, settings, None, ())
    program = load_program(products())
    [weights] = write_weights([program.model], tmp_path)
    measurements = Measurements(context, program, graph_of(program), weights)
    expanded = Expand(engines)(measurements.graph)
    budget = ErrorBudget.of(measurements, expanded, 0.5)
    assert budget is not None
    table = budget.within(synthetic_costs(expanded, lambda devices: devices[-1]))
    front = budget.front(table, LATENCY)
    assert len(front) > 1
    assert set(front[0].assignment.values()) == {INT4}  # which is the fastest by these costs
    assert front[-1].predicted < front[0].predicted
    assert [each.run_s for each in front] == sorted(each.run_s for each in front)
    for each in front:
        assert sum(each.devices.values()) == len(measurements.graph.nodes)
        if each.measured is not None:
            assert each.predicted == pytest.approx(each.measured, rel=0.3)
    assert front[0].measured is not None
    monkeypatch.setattr("stagecut.compiler.answers.Answers.checked", None)
    assert budget.front(table, LATENCY) == front  # without a cache, either
    others = {
        effort: replace(
            measurements, context=replace(context, settings=replace(settings, effort=effort))
        )
        for effort in ("quick", "normal")
    }
    assert replace(budget, measurements=others["quick"]).front(table, LATENCY) == ()
    told = replace(budget, measurements=others["normal"]).front(table, LATENCY)
    assert [replace(each, measured=None) for each in front[: len(told)]] == [*told]


def test_contenders_beyond_the_budget_are_told_with_their_error() -> None:
    planned = _planned(tolerance=0.02)
    assert planned.precision is not None
    coarse = planned.precision.of(INT4)
    assert coarse is not None
    assert not coarse.kept
    assert coarse.measured is not None
    assert coarse.measured > 0.02
    assert any(INT4 in told and "left out" in told for told in planned.workarounds)


def test_the_least_error_is_told_where_it_is_too_large() -> None:
    with pytest.raises(ToleranceError, match=r"least error .* is 0\.0\d+ \(rms.*, at .*s"):
        _planned(INT8, INT4, tolerance=1e-4)


def test_without_lower_precision_there_is_no_budget() -> None:
    assert _planned(F32, tolerance=0.05).precision is None
    assert _planned(F32, INT8).precision is None


def _expanded(*specs: str, model: object = None) -> tuple[ExpandedGraph, dict]:  # type: ignore[type-arg]
    program = load_program(products(2) if model is None else model)
    engines = dict(backends.create_all(specs))
    return Expand(engines)(graph_of(program)), engines


def test_who_holds_nothing_out_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    settings = Settings(effort="quick", load=lambda: None, warn=told.append)
    compile_model(
        products(),
        feeds={"x": np.ones((4, SIZE), np.float32)},  # in any order they are the same
        devices=[F32, INT8],
        tolerance=0.5,
        settings=settings,
    )
    assert any("no sample is held out" in each for each in told)


def test_devices_of_one_precision_are_measured_once() -> None:
    expanded, engines = _expanded(F32, INT8, "cpu.int8.parallel:threads=2", INT4)
    lower = lower_devices(expanded, engines)
    assert [*lower] == ["m0", "m1"]
    assert lower["m0"] == {"int8": (INT8, "cpu.int8.parallel"), "int4": (INT4,)}


def test_devices_with_nothing_to_quantise_are_left_out() -> None:
    expanded, engines = _expanded(F32, INT8, model=nothing_to_quantise())
    found = without_idle(expanded, engines)
    assert found.candidates == {"a": (F32,)}
    assert found.refusals["a"][INT8] == "the model has nothing to quantise"
    alone, engines = _expanded(INT8, model=nothing_to_quantise())
    assert without_idle(alone, engines) == alone
    some, engines = _expanded(F32, INT8)
    assert without_idle(some, engines) == some


def _samples(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # names are inputs
    return path


def test_half_of_the_calibration_samples_are_held_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    data = rng.standard_normal((5, 4, SIZE)).astype(np.float32)
    found = _planned(tolerance=0.5, calibrate=_samples(tmp_path / "data.npz", x=data)).precision
    assert found is not None
    assert (found.samples, found.held_out) == (3, 2)


BAD = {
    "names": ({"y": np.ones((4, SIZE), np.float32)}, "no such input"),
    "shapes": ({"x": np.ones((3, SIZE), np.float32)}, "its shape is 3x32"),
    "types": ({"x": np.ones((4, SIZE), np.int64)}, "the model reads float32"),
}


@pytest.mark.parametrize(("arrays", "problem"), BAD.values(), ids=BAD.keys())
def test_calibration_data_of_another_model(
    arrays: dict[str, np.ndarray], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(FeedError, match=problem):
        _planned(tolerance=0.5, calibrate=_samples(tmp_path / "data.npz", **arrays))


def test_a_decoder_is_not_calibrated(tmp_path: Path) -> None:
    data = _samples(tmp_path / "data.npz", x=np.ones(3))
    with pytest.raises(UsageError, match="not for a decoder"):
        _planned(model=tiny_decoder(), tolerance=0.5, calibrate=data)


def test_a_precision_that_there_is_not() -> None:
    with pytest.raises(StagecutError, match="int8, int4, auto"):
        _planned(precision="int3")


def _measured_products(folder: Path, *devices: str) -> tuple[Measurements, ExpandedGraph]:
    engines = backends.create_all(devices)
    settings = Settings(effort="quick", load=lambda: None, warn=lambda _: None)
    context = CompileContext(engines, {name: name for name in engines}, settings, None, ())
    program = load_program(products())
    [weights] = write_weights([program.model], folder)
    measurements = Measurements(context, program, graph_of(program), weights)
    return measurements, Expand(engines)(measurements.graph)


def test_a_stream_is_the_fastest_of_those_within_the_budget(tmp_path: Path) -> None:
    measurements, expanded = _measured_products(tmp_path, F32, INT8, INT4)
    table = with_all_cores(synthetic_costs(expanded, lambda devices: devices[-1]))
    found = []
    for tolerance in (0.5, 0.05, 1e-4):
        budget = ErrorBudget.of(measurements, expanded, tolerance)
        assert budget is not None
        solved = budget.streamed(with_error_limit(budget.within(table), None), ())
        solution = solved.solved
        stages = solution.stream.schedule.stages
        devices = [each.device for each in stages if any(n.startswith("m") for n in each.nodes)]
        off = solved.attempts[-1].measured or 0.0
        assert off <= tolerance
        assert solution.account.uses[ERROR] <= (solved.limit or 0.0) * (1 + 1e-9)
        free = Throughput()(with_error_limit(budget.within(table), None))
        assert solution.account.period_s >= free.account.period_s
        found.append((solution.account.period_s, {*devices}))
    periods = [period_s for period_s, _ in found]
    assert periods == sorted(periods)
    assert found[0][1] == {INT4}  # which is the fastest by these costs
    assert found[-1][1] == {F32}


def test_streams_have_a_budget_of_errors_and_say_what_it_came_to() -> None:
    planned = _planned(objective="throughput", tolerance=0.05, max_batch=1)
    precision = planned.precision
    assert precision is not None
    assert precision.attempts
    measured = {each.name: each.measured for each in precision.contenders}
    assert 0 < (measured[INT8] or 0.0) <= 0.05
    assert INT4 not in measured  # which is further off
    assert planned.account.uses.get(ERROR, 0.0) <= 0.05**2
