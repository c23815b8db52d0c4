"""What starting a stage costs: the time of a stage with one Relu on one number, run many times.

An engine takes some microseconds to be called, to look its inputs up and to hand its outputs back,
however little it computes. Nodes are timed one stage each, so that the time of each node includes
this once; a stage of many nodes pays it once for all of them.
"""

import statistics
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.device import Backend, StageProgram
from stagecut.compiler.ir.graph import Node as GraphNode
from stagecut.compiler.ir.graph import Operator, Value

_WARM_UPS, _RUNS = 20, 200


def launch_s(backend: Backend, clock: Callable[[], float]) -> float:
    """The median time of that stage, in seconds; 0 where the device cannot run it."""
    if not backend.supports(_NODE):
        return 0.0
    inputs = [np.ones(1, np.float32)]
    try:
        run = backend.prepare(_program())
        for _ in range(_WARM_UPS):
            run(inputs)
    except Exception:  # engines' exceptions share no base class; profiling will meet it again
        return 0.0
    return statistics.median(_timed(run, inputs, clock) for _ in range(_RUNS))


def _timed(
    run: Callable[[Sequence[np.ndarray]], object],
    inputs: Sequence[np.ndarray],
    clock: Callable[[], float],
) -> float:
    start_s = clock()
    run(inputs)
    return clock() - start_s


_X, _Y = Value("x", "float32", (1,)), Value("y", "float32", (1,))
_NODE = GraphNode(
    name="relu",
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
