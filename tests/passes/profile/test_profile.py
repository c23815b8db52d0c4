"""Profiling turns the traces of whole paths into a cost table; a fake clock makes it exact."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pytest

from stagecut.backends.null import device as null
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import (
    Estimate,
    Feeds,
    StagedSchedule,
    StageProgram,
    Tensor,
    silent,
)
from stagecut.compiler.ir.errors import EngineError, UnplaceableError
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import Basis, Route
from stagecut.compiler.ir.schedule import Run
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.passes.expand import Expand
from stagecut.passes.profile.launch import LAUNCH
from stagecut.passes.profile.profile import OneOfEach, Profile, Profiled
from stagecut.passes.profile.rounds import Rounds
from stagecut.passes.stage.extract import Extractor
from stagecut.runtime.executor import Executor
from tests.support.borders import Borders
from tests.support.graphs import graph
from tests.support.onnx_models import MODELS

GRAPH = graph("x", "q = MatMul(x, W)\ny = Softmax(q)", "y")
SERIAL = null.create("serial", {"memory": "host", "basis": "measured"})
PARALLEL = null.create("parallel", {"memory": "host", "basis": "measured"})
NPU = null.create("npu", {"operators": "MatMul", "basis": "measured"})
PIM = null.create("pim", {"operators": "MatMul", "run_s": "0.25", "latency_s": "0.5"})

#: Seconds by device; the three samples of each run are one below, at, and one above the median.
RUN_S = {"serial": 10.0, "parallel": 20.0, "npu": 30.0}


class FakeRunner:
    """Answers with the figures of `RUN_S`; a transfer there takes 40, one back 50; every third run
    takes a little longer."""

    def __init__(self, staged: StagedSchedule) -> None:
        self._schedule = staged.schedule
        self._run = 0

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        wobble_s = (self._run % 3) - 1.0
        self._run += 1
        events = []
        for step, stage in zip(self._schedule.steps, self._schedule.waiting, strict=True):
            at = len(self._schedule.stages) - 1 if stage is None else stage
            if isinstance(step, Run):
                device = self._schedule.stages[at].device
                took_s = RUN_S.get(device, 0.0) + wobble_s
                if self._schedule.stages[at].nodes == (LAUNCH,):
                    took_s = 0.0
                basis: Basis = "measured" if device in RUN_S else "modelled"
                events.append(Event("s", "stage", basis, 0.0, took_s, took_s, at, device=device))
            else:
                took_s = (40.0 if step.route.source == "host" else 50.0) + wobble_s
                events.append(
                    Event(
                        step.value,
                        "transfer",
                        "measured",
                        0.0,
                        took_s,
                        took_s,
                        at,
                        route=step.route,
                    )
                )
        return {}, Trace(tuple(events), 0.0)


def _profile(*devices: null.NullBackend) -> Profiled:
    backends = {backend.device.name: backend for backend in devices}

    def build(staged: StagedSchedule, outputs: Sequence[str]) -> FakeRunner:
        return FakeRunner(staged)

    rounds = Rounds(least=6, most=6, budget_s=0.0, warm_up=0, counted=1)
    profile = Profile(backends, build, lambda: 0.0, silent, rounds)
    return profile(Expand(backends)(GRAPH), Borders(), {"x": np.zeros((2, 2))})


def test_every_node_gets_the_median_of_its_runs_on_every_device() -> None:
    profiled = _profile(SERIAL, PARALLEL)
    assert [dict(node.run_s) for node in profiled.costs.nodes] == [
        {"serial": 10.0, "parallel": 20.0},
        {"serial": 10.0, "parallel": 20.0},
    ]
    spread = profiled.costs.nodes[0].run_spread["serial"]
    assert (spread.runs, spread.min_s, spread.p25_s, spread.p75_s) == (6, 9.0, 9.0, 11.0)


def test_one_path_for_each_measured_device() -> None:
    paths = _profile(SERIAL, PARALLEL).paths
    assert [(path.name, path.runs) for path in paths] == [("serial", 6), ("parallel", 6)]


def test_transfers_are_measured_by_route_and_size() -> None:
    costs = _profile(SERIAL, NPU).costs
    there, back = Route("host", "npu"), Route("npu", "host")
    transfers = {value.name: dict(value.transfer_s) for value in costs.values}
    assert transfers["x"][there] == 40.0
    assert transfers["q"][back] == 50.0
    assert transfers["q"][there] == 40.0  # as large as x, which was transferred


def test_a_modelled_device_costs_no_run_and_its_figures_come_from_the_model() -> None:
    profiled = _profile(SERIAL, PIM)
    assert [path.name for path in profiled.paths] == ["serial"]
    assert profiled.costs.nodes[0].run_s == {"serial": 10.0, "pim": 0.25}
    assert "pim" not in profiled.costs.nodes[0].run_spread
    x = profiled.costs.values[0]
    assert x.transfer_s[Route("host", "pim")] == 0.5 + x.size_bytes / 1e9


def test_inputs_start_and_outputs_end_on_the_host() -> None:
    costs = _profile(SERIAL, PARALLEL).costs
    assert [(end.name, end.memory) for end in (*costs.inputs, *costs.outputs)] == [
        ("x", "host"),
        ("y", "host"),
    ]


def test_measured_energy_is_the_time_at_the_power_of_the_device() -> None:
    serial = replace(SERIAL, device=replace(SERIAL.device, power_w=2.5))
    costs = _profile(serial, PARALLEL).costs
    assert [dict(node.run_j) for node in costs.nodes] == [{"serial": 25.0}, {"serial": 25.0}]
    assert costs.machine.device("serial").power_w == 2.5


class PaddedPim(null.NullBackend):
    """Weights take seven bytes, whatever they are."""

    def estimate(self, node: Node) -> Estimate | None:
        return Estimate(1.0, weight_bytes=7)


def test_room_is_taken_as_the_device_says() -> None:
    padded = PaddedPim(PIM.device, PIM.memory, PIM.links, PIM.operators, PIM.run_s)
    product, softmax = _profile(SERIAL, padded).costs.nodes
    assert product.bytes_on("pim") == 7
    assert product.bytes_on("serial") == product.weight_bytes == GRAPH.nodes[0].weight_bytes
    assert not softmax.resident_bytes


class Broken(null.NullBackend):
    """Says that it can, and cannot."""

    def prepare(self, stage: StageProgram) -> null.NullExecutable:
        raise RuntimeError("out of order")


def _with_engines(*devices: null.NullBackend) -> Profiled:
    """Real stages on real engines."""
    program = load_program(MODELS["residual"].proto())
    whole = graph_of(program)
    backends = {backend.device.name: backend for backend in devices}
    with TemporaryDirectory() as folder:
        extract = Extractor(program, *write_weights([program.model], Path(folder)))
        build = partial(Executor, backends=backends)
        profile = Profile(backends, build, perf_counter, silent, Rounds(1, 1, 0.0, counted=1))
        return profile(Expand(backends)(whole), extract, program.feeds)


def test_a_device_that_fails_is_worked_around_and_told() -> None:
    broken = Broken(replace(SERIAL.device, name="broken"), SERIAL.memory, (), frozenset(), 0.0)
    profiled = _with_engines(SERIAL, broken)
    assert all(set(node.run_s) == {"serial"} for node in profiled.costs.nodes)
    assert {fault.device for fault in profiled.faults} == {"broken"}
    assert "out of order" in str(profiled.faults[0])
    assert len(profiled.faults) == len(profiled.costs.nodes)


def test_a_node_that_only_a_failing_device_can_run_is_an_error() -> None:
    broken = Broken(replace(SERIAL.device, name="broken"), SERIAL.memory, (), frozenset(), 0.0)
    with pytest.raises(UnplaceableError, match="out of order"):
        _with_engines(broken)


def _one_of_each(
    values: Callable[[Sequence[Value]], Feeds], dtype: str = "int64"
) -> tuple[Profiled, list[str]]:
    """Of a graph in which nodes of one operator are of one kind; which nodes were built, and when
    all weights were read. `y`, which is made of `c`, is of the type."""
    done: list[str] = []
    drawn = graph("x", "a = Relu(x)\nb = Relu(a)\nc = Relu(b)\ny = Tanh(c)", "y", y=dtype)
    backends = {"serial": SERIAL}

    def build(staged: StagedSchedule, outputs: Sequence[str]) -> FakeRunner:
        if staged.schedule.stages[0].nodes != (LAUNCH,):
            done.extend(stage.nodes[0] for stage in staged.schedule.stages)
        return FakeRunner(staged)

    rounds = Rounds(least=2, most=2, budget_s=0.0, warm_up=0, counted=1)
    each = OneOfEach(lambda node: node.op, values, lambda: done.append("read"))
    profile = Profile(backends, build, lambda: 0.0, silent, rounds, each)
    found = profile(Expand(backends)(drawn), Borders(), {"x": np.zeros((2, 2))})
    return found, done


def _none(wanted: Sequence[Value]) -> Feeds:
    raise EngineError("cannot run")


def test_one_of_each_kind_is_timed_for_all() -> None:
    asked: list[str] = []

    def values(wanted: Sequence[Value]) -> Feeds:
        asked.extend(value.name for value in wanted)
        return {value.name: np.zeros((2, 2)) for value in wanted}

    profiled, done = _one_of_each(values)
    assert asked == ["c"]
    assert done == ["a", "y", "read", "read"]
    assert [node.run_s["serial"] for node in profiled.costs.nodes] == [10.0] * 4
    assert [node.run_spread["serial"].runs for node in profiled.costs.nodes] == [2] * 4
    [path] = profiled.paths
    assert path.reason == "times 2 of 2 nodes, one of each kind among 4, on serial"
    assert path.runs == 2


def test_floats_of_which_only_floats_come_are_made_up() -> None:
    _, done = _one_of_each(_none, "float32")
    assert done == ["a", "y", "read", "read"]


def test_all_are_timed_where_what_others_hand_on_is_not_known() -> None:
    profiled, done = _one_of_each(_none)
    assert done == ["a", "b", "c", "y"]
    assert len(profiled.costs.nodes) == 4
