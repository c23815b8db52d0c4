"""What is measured of a program, and what is kept of it from one compile to the next."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.errors import ToleranceError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.provenance import ProfilePath
from stagecut.compiler.measure.crash_journal import Crash
from stagecut.compiler.measurements import Measurements, _of_real
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import Proposal, proposals
from stagecut.passes.partition.partition import Partition
from stagecut.passes.profile.profile import Fault
from stagecut.runtime.executor import Executor
from tests.support.executors import watched
from tests.support.onnx_models import MODELS
from tests.support.reference import run_reference

SPECS = ("cpu.serial", "null:memory=pim")


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., Measurements]:
    """Of a small model, on the host and on a modelled device."""

    def made(
        crashes: tuple[Crash, ...] = (), model: str = "residual", **settings: object
    ) -> Measurements:
        engines = backends.create_all(SPECS)
        quiet = {"effort": "quick", "load": lambda: None, **settings}
        chosen = Settings(**quiet)  # type: ignore[arg-type]
        specs = dict(zip(engines, SPECS, strict=True))
        context = CompileContext(engines, specs, chosen, None, crashes)
        program = load_program(MODELS[model].proto())
        folder = tmp_path / f"weights-{len([*tmp_path.iterdir()])}"
        folder.mkdir()
        [weights] = write_weights([program.model], folder)
        return Measurements(context, program, graph_of(program), weights)

    return made


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often an executor was made, and run."""
    counts: Counter[str] = Counter()
    make, run = Executor.__init__, Executor.run

    def made(self: Executor, *arguments: object, **named: object) -> None:
        counts["made"] += 1
        make(self, *arguments, **named)  # type: ignore[arg-type]

    def ran(self: Executor, feeds: object) -> object:
        counts["run"] += 1
        return run(self, feeds)  # type: ignore[arg-type]

    monkeypatch.setattr(Executor, "__init__", made)
    monkeypatch.setattr(Executor, "run", ran)
    return counts  # type: ignore[return-value]


def _rivals(measured: Measurements) -> tuple[Proposal, ...]:
    costs = measured.profile(Expand(measured.context.backends)(measured.graph)).costs
    return proposals(costs, Partition()(costs), LATENCY)


def test_the_reference_is_the_whole_model(measure: Callable[..., Measurements]) -> None:
    measured = measure()
    feeds = measured.program.feeds
    [expected] = run_reference(MODELS["residual"].proto(), feeds)
    reference = measured.answers.reference
    found = reference.outputs(reference.sets[0])["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_profile_is_kept(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache")
    expanded = Expand(first.context.backends)(first.graph)
    profiled = first.profile(expanded)
    assert profiled.circumstances is not None
    assert runs["made"] == 2  # the start of a stage, and a path
    runs.clear()
    assert measure(cache=tmp_path / "cache").profile(expanded) == profiled
    assert not runs
    measure(cache=tmp_path / "other").profile(expanded)
    assert runs["made"] == 2  # the start of a stage, and a path


def test_another_modelled_device_measures_nothing_again(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache", warn=lambda _: None)
    before = first.profile(Expand(first.context.backends)(first.graph))
    runs.clear()
    specs = ("cpu.serial", "null:memory=pim,run_s=7e-3")
    engines = backends.create_all(specs)
    context = replace(first.context, backends=engines, specs=dict(zip(engines, specs, strict=True)))
    after = replace(first, context=context).profile(Expand(engines)(first.graph))
    assert not runs
    assert after.circumstances == before.circumstances
    assert {node.run_s["null"] for node in after.costs.nodes} == {7e-3}
    for old, new in zip(before.costs.nodes, after.costs.nodes, strict=True):
        assert old.run_s["cpu.serial"] == new.run_s["cpu.serial"]
        assert old.run_spread == new.run_spread
    assert replace(first, context=context).profile(Expand(engines)(first.graph)) == after


def test_faults_and_paths_of_modelled_devices_are_not_those_of_others(
    measure: Callable[..., Measurements],
) -> None:
    measured = measure()
    profiled = measured.profile(Expand(measured.context.backends)(measured.graph))
    faults = tuple(Fault("Relu", name, "because") for name in ("null", "cpu.serial"))
    paths = (
        ProfilePath("both", "a reason", 3, {"cpu.serial": 4, "null": 1}),
        ProfilePath("modelled", "a reason", 3, {"null": 5}),
    )
    found = _of_real(replace(profiled, faults=faults, paths=paths))
    assert found.faults == faults[1:]
    assert found.paths == (ProfilePath("both", "a reason", 3, {"cpu.serial": 4}),)


def test_a_measured_device_of_other_options_is_measured(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache", warn=lambda _: None)
    first.profile(Expand(first.context.backends)(first.graph))
    runs.clear()
    specs = ("cpu.serial:watts_per_thread=9", "null:memory=pim")
    engines = backends.create_all(specs)
    context = replace(first.context, backends=engines, specs=dict(zip(engines, specs, strict=True)))
    replace(first, context=context).profile(Expand(engines)(first.graph))
    assert runs["made"]


def test_other_cpus_are_measured(
    measure: Callable[..., Measurements],
    tmp_path: Path,
    runs: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many, but others: some machines have fast ones and slow ones."""
    allowed = {0}
    monkeypatch.setattr("os.sched_getaffinity", lambda _: allowed)
    first = measure(cache=tmp_path / "cache")
    expanded = Expand(first.context.backends)(first.graph)
    first.profile(expanded)
    runs.clear()
    allowed = {1}
    measure(cache=tmp_path / "cache").profile(expanded)
    assert runs["made"]


def test_more_effort_measures_again(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache")
    expanded = Expand(first.context.backends)(first.graph)
    first.profile(expanded)
    runs.clear()
    settings = replace(first.context.settings, effort="normal")
    replace(first, context=replace(first.context, settings=settings)).profile(expanded)
    assert runs["made"] == 2  # the start of a stage, and a path


def test_a_comparison_is_kept_and_builds_every_contender_once(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache")
    rivals = _rivals(first)
    costs = first.profile(Expand(first.context.backends)(first.graph)).costs
    runs.clear()
    compared = first.compare(rivals, costs, LATENCY, None)
    assert runs["made"] == len(rivals)  # one of which is the reference
    assert [each.id for each in compared.contenders] == [each.id for each in rivals]
    assert compared.chosen.chosen
    assert [each.name for each in compared.chosen_accuracy] == ["y"]
    runs.clear()
    again = measure(cache=tmp_path / "cache").compare(rivals, costs, LATENCY, None)
    assert again == compared
    assert not runs


def test_what_is_too_far_off_takes_no_part(measure: Callable[..., Measurements]) -> None:
    measured = measure()
    rivals = _rivals(measured)
    costs = measured.profile(Expand(measured.context.backends)(measured.graph)).costs
    with pytest.raises(ToleranceError):
        measured.compare(rivals, costs, LATENCY, -1.0)
    assert measured.compare(rivals, costs, LATENCY, 1e-3).contenders


def test_what_has_crashed_is_left_out_and_told(measure: Callable[..., Measurements]) -> None:
    """A node on a device in a profile; a whole stage in a comparison."""
    node = Crash("null", ("MatMul",), "crashed (SIGSEGV)")
    measured = measure(crashes=(node,))
    expanded = Expand(measured.context.backends)(measured.graph)
    profiled = measured.profile(expanded)
    assert "null" not in profiled.costs.node_named["MatMul"].run_s
    assert "null" in profiled.costs.node_named["Relu"].run_s
    [fault] = profiled.faults
    assert (fault.node, fault.device) == ("MatMul", "null")
    whole = tuple(each.name for each in measured.graph.nodes)
    crashed = measure(crashes=(Crash("cpu.serial", whole, "exited"),))
    compared = crashed.compare(_rivals(crashed), profiled.costs, LATENCY, None)
    assert "cpu.serial" not in {each.name for each in compared.contenders}
    assert compared.dropped == ("plan cpu.serial is left out: it crashed the process",)


def test_where_a_plan_comes_from(measure: Callable[..., Measurements]) -> None:
    measured = measure()
    optimum = ContenderId(ContenderKind.OPTIMUM)
    found = measured.provenance({"granularity": "op"}, optimum)
    assert found.model == "residual"
    assert found.devices == dict(zip(("cpu.serial", "null"), SPECS, strict=True))
    assert found.model_sha256 == measure().model_sha256 != measure(model="chain").model_sha256
    assert found.options == {"granularity": "op"}


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_engines_are_gone_before_other_shapes_are_tried(
    objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the reference: there, others are prepared with weights of their own."""
    alive: list[int] = []
    elsewhere = Measurements.elsewhere
    with watched(monkeypatch) as executors:

        def noted(self: Measurements, *arguments: Any) -> object:
            alive.append(executors.alive)
            return elsewhere(self, *arguments)

        monkeypatch.setattr(Measurements, "elsewhere", noted)
        compile_model(
            MODELS["residual"].proto(),
            devices=["cpu.serial", "cpu.parallel"],
            objective=objective,
            settings=Settings(effort="quick", load=lambda: None, warn=lambda _: None),
        )
        assert executors.alive == 0
    assert alive == [1]
