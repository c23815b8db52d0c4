"""What starting a stage costs: the time of a stage with one Relu on one number, run many times.

An engine takes some microseconds to be called, to look its inputs up and to hand its outputs back,
however little it computes. Nodes are timed one stage each, so that the time of each node includes
this once; a stage of many nodes pays it once for all of them.
"""

import statistics

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.device import (
    Backend,
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

_WARM_UPS, _RUNS = 20, 200

#: The node of that stage, which is in no model.
LAUNCH = "(the start of a stage)"


def launch_s(backend: Backend, build: RunnerFactory) -> float:
    """The median time of that stage, in seconds; 0 where the device cannot run it."""
    if not backend.supports(_NODE):
        return 0.0
    feeds = {"x": np.ones(1, np.float32)}
    try:
        runner = build(_staged(backend), ["y"])
        traces = [runner.run(feeds)[1] for _ in range(_WARM_UPS + _RUNS)]
    except StagecutError:  # profiling will meet it again, and say so
        return 0.0
    return statistics.median(map(_run_s, traces[_WARM_UPS:]))


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
