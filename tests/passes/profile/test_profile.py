"""Profiling turns the traces of whole paths into a cost table; a fake clock makes it exact."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Literal

import numpy as np
import pytest

from stagecut.backends.null import device as null
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Estimate, Feeds, StageProgram, Tensor
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.progress import silent
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.passes.expand import Expand
from stagecut.passes.profile.profile import Profile, Profiled
from stagecut.passes.profile.rounds import Rounds
from stagecut.passes.stage.extract import Cutter
from stagecut.runtime.executor import Executor
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
    """Answers with the figures of `RUN_S`; copies take 40, every third run a little longer."""

    def __init__(self, stages: Sequence[Stage], memories: dict[str, str]) -> None:
        self._stages = stages
        self._memories = memories
        self._run = 0

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        wobble_s = (self._run % 3) - 1.0
        self._run += 1
        events = []
        for index, stage in enumerate(self._stages):
            memory = self._memories[stage.device]
            if memory != "host":
                events.append(self._event("x", f"host>{memory}", 40.0 + wobble_s, index, "copy"))
            events.append(self._event("s", stage.device, RUN_S[stage.device] + wobble_s, index))
            if memory != "host":
                events.append(self._event("q", f"{memory}>host", 50.0 + wobble_s, index, "copy"))
        return {}, Trace(tuple(events), 0.0)

    def _event(
        self, name: str, track: str, took_s: float, stage: int, kind: str = "stage"
    ) -> Event:
        which: Literal["copy", "stage"] = "copy" if kind == "copy" else "stage"
        return Event(name, which, track, "measured", 0.0, took_s, took_s, stage)


class FakeCutter(Cutter):
    """Cuts nothing: the fake runner does not look inside."""

    def __init__(self) -> None:
        pass

    def __call__(self, name: str, nodes: Sequence[Node], outputs: Sequence[Value]) -> StageProgram:
        return StageProgram(name, None, nodes[0].inputs, tuple(outputs))  # type: ignore[arg-type]


def _profile(*devices: null.NullBackend) -> Profiled:
    backends = {backend.device.name: backend for backend in devices}
    memories = {name: backend.memory.name for name, backend in backends.items()}

    def build(stages: Sequence[Stage], outputs: Sequence[str]) -> FakeRunner:
        return FakeRunner(stages, memories)

    rounds = Rounds(least=6, most=6, budget_s=0.0, warm_up=0, counted=1)
    profile = Profile(backends, build, lambda: 0.0, silent, rounds)
    return profile(Expand(backends)(GRAPH), FakeCutter(), {"x": np.zeros((2, 2))})


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


def test_copies_are_measured_by_link_and_size() -> None:
    costs = _profile(SERIAL, NPU).costs
    moves = {value.name: dict(value.move_s) for value in costs.values}
    assert moves["x"][("host", "npu")] == 40.0
    assert moves["q"][("npu", "host")] == 50.0
    assert moves["q"][("host", "npu")] == 40.0  # as large as x, which was moved


def test_a_modelled_device_costs_no_run_and_its_figures_come_from_the_model() -> None:
    profiled = _profile(SERIAL, PIM)
    assert [path.name for path in profiled.paths] == ["serial"]
    assert profiled.costs.nodes[0].run_s == {"serial": 10.0, "pim": 0.25}
    assert "pim" not in profiled.costs.nodes[0].run_spread
    x = profiled.costs.values[0]
    assert x.move_s["host", "pim"] == 0.5 + x.size_bytes / 1e9


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
    assert not softmax.held_bytes


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
        cut = Cutter(program, *write_weights([program.model], Path(folder)))
        build = partial(Executor, backends=backends)
        profile = Profile(backends, build, perf_counter, silent, Rounds(1, 1, 0.0, counted=1))
        return profile(Expand(backends)(whole), cut, program.feeds)


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
