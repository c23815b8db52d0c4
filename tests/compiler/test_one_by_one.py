"""What streams do one by one, now: by the ratio of another turn to the one that counted then."""

from dataclasses import replace
from pathlib import Path

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.context_of import context_of
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.stream import Hosting, StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.one_by_one import OneByOne, least_s, periods_s
from stagecut.compiler.whole_replicas import ReadyReplicas, proposals_of
from stagecut.passes.expand import Expand
from stagecut.passes.gate.stream_gate import Turn
from stagecut.passes.partition.restrict import Restrict
from tests.support.onnx_models import MODELS

SETTINGS = Settings(effort="quick", load=lambda: None, warn=lambda _: None)
MODEL = MODELS["residual"].proto()


@pytest.fixture(scope="module")
def planned() -> PlannedVariant:
    """A pipeline that takes 3 s ships; whole replicas take 2 s on cpu.serial, 5 s on a, and 1 s in
    processes or in another configuration, in which batches do not run."""
    devices = ["cpu.serial"]
    plan = compile_model(MODEL, objective="throughput", devices=devices, settings=SETTINGS)
    found = plan.first.planned
    whole = found.shipped

    def on(
        device: str, median_s: float, hosting: Hosting = "threads", configuration: str = ""
    ) -> Contender:
        id_ = replace(whole.id, device=device, hosting=hosting, configuration=configuration)
        return replace(whole, id=id_, also=(), median_s=median_s, chosen=False)

    ships = replace(on("both", 3.0), accounting="predicted", chosen=True)
    spinning = on("cpu.serial", 1.0, configuration="waiting=spin")
    others = (on("a", 5.0), on("cpu.serial", 2.0), on("a", 1.0, "processes"), spinning)
    return replace(found, contenders=(ships, *others))


@pytest.fixture
def measurements(tmp_path: Path) -> Measurements:
    context = context_of(["cpu.serial"], SETTINGS)
    program = load_program(MODEL)
    [weights] = write_weights([program.model], tmp_path)
    return Measurements(context, program, graph_of(program), weights)


def test_periods_are_those_of_whole_replicas_in_threads(planned: PlannedVariant) -> None:
    assert [*periods_s(planned).items()] == [("cpu.serial", 2.0), ("a", 5.0)]


def test_by_processor_time_they_may_be_shorter(planned: PlannedVariant) -> None:
    """Of two replicas that took 3 s of it for an input, on a CPU each: 1.5 s."""
    whole = planned.contenders[2]
    two = replace(whole, cpu_s=3.0, id=replace(whole.id, replicas=2))
    busy = replace(planned, contenders=(planned.contenders[0], two))
    assert least_s(busy) == {"cpu.serial": 1.5}
    assert least_s(replace(busy, contenders=(replace(two, cpu_s=None),))) == {"cpu.serial": 2.0}


def test_what_ships_is_as_much_slower_now_as_whole_replicas_are(
    planned: PlannedVariant, measurements: Measurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = Turn(StreamRun(1, 1, 4.0, (4.0,)), None)
    monkeypatch.setattr(ReadyReplicas, "turn", lambda _: turn)
    expanded = Expand(measurements.context.backends)(measurements.graph)
    proposals = proposals_of(expanded, Restrict((), ()))
    found = OneByOne.of(planned, measurements, proposals)
    assert found is not None
    assert found.period_s() == 6.0


def test_nothing_where_no_whole_replicas_were_measured(
    planned: PlannedVariant, measurements: Measurements
) -> None:
    pipeline = replace(planned, contenders=planned.contenders[:1])
    assert OneByOne.of(pipeline, measurements, ()) is None
    assert periods_s(pipeline) == {}
