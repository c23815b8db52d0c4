"""What starting a stage costs: the time of a stage with one Relu on one number, run many times.

An engine takes some microseconds to be called, to look its inputs up and to hand its outputs back,
however little it computes. Nodes are timed one stage each, so that the time of each node includes
this once; a stage of many nodes pays it once for all of them.
"""

import statistics
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.device import (
    Backend,
    Runner,
    RunnerFactory,
    StagedSchedule,
    StageProgram,
)
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.graph import Node as GraphNode
from stagecut.compiler.ir.graph import Operator, Value
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.compiler.ir.schedule import Run, Schedule, Stage, Step, Transfer
from stagecut.compiler.ir.trace import Trace

#: How often the stage runs in one turn.
_RUNS = 25

#: A start is a part of whatever was timed: it takes no more than this part of the least of that.
_MOST = 0.9

#: The node of that stage, which is in no model.
LAUNCH = "(the start of a stage)"


class Starts:
    """The starts of one device, which take turns with what else is timed there, so that a slow
    moment hits both alike."""

    def __init__(self, backend: Backend, build: RunnerFactory) -> None:
        """Nothing is timed where the device cannot run that stage."""
        self._samples: list[float] = []
        self._runner: Runner | None = None
        if backend.supports(_NODE):
            with suppress(StagecutError):  # profiling will meet it again, and say so
                self._runner = build(_staged(backend), ["y"])

    def run(self, counts: bool) -> None:
        """One turn."""
        if self._runner is None:
            return
        try:
            traces = [self._runner.run(_FEEDS)[1] for _ in range(_RUNS)]
        except StagecutError:
            self._runner = None
            return
        if counts:
            self._samples += map(_run_s, traces)

    def time_s(self, timed_s: Sequence[float]) -> float:
        """The median, in seconds; 0 where nothing was timed. `timed_s` are the times of single
        stages on the device, each of which includes a start."""
        if self._runner is None or not self._samples:
            return 0.0
        return min([statistics.median(self._samples), *(_MOST * each for each in timed_s)])


def _run_s(trace: Trace) -> float:
    return sum(event.duration_s for event in trace.events if event.kind == "stage")


def _staged(backend: Backend) -> StagedSchedule:
    memory = backend.memory.name
    steps: tuple[Step, ...] = (Run(0),)
    if memory != HOST:
        there, back = Route(HOST, memory), Route(memory, HOST)
        steps = (Transfer("x", there), *steps, Transfer("y", back))
    schedule = Schedule((Stage(backend.device.name, (LAUNCH,)),), steps)
    return StagedSchedule(schedule, (_program(),), (None,) * len(steps))


_FEEDS = {"x": np.ones(1, np.float32)}
_X, _Y = Value("x", "float32", (1,)), Value("y", "float32", (1,))
_NODE = GraphNode(
    name=LAUNCH,
    op="Relu",
    operators=(Operator("relu", "Relu", "", (_X,), (_Y,), version=14),),
    inputs=(_X,),
    outputs=(_Y,),
    weights=(),
    flops=1,
)


def _program() -> StageProgram:
    kind, shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape([1])
    x = ir.Value(name="x", type=kind, shape=shape)
    y = ir.Value(name="y", type=kind, shape=shape)
    node = ir.Node("", "Relu", [x], outputs=[y], name="relu")
    graph = ir.Graph([x], [y], nodes=[node], opset_imports={"": 14}, name="dispatch")
    return StageProgram("dispatch", ir.Model(graph, ir_version=8), (_X,), (_Y,))
