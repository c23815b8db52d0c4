"""What the same small model takes on each real device of a host: how hosts are compared.

Four dense layers of 512 x 512 on 64 rows: 134 MFLOP and 4 MiB of weights.
"""

import statistics
from time import perf_counter

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from stagecut import backends
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.graph import Value

_ROWS, _WIDTH, _LAYERS = 64, 512, 4
_RUNS, _FIRST_RUNS = 31, 5


def probes_s() -> dict[str, float]:
    """The median of some runs, by device; a device that fails is left out."""
    found = {}
    for name in backends.real_devices():
        try:
            found[name] = _probe_s(name)
        except StagecutError:
            continue
    return found


def _probe_s(device: str) -> float:
    execute = backends.create(device).prepare(_program())
    inputs = [np.ones((_ROWS, _WIDTH), np.float32)]
    times_s = []
    for _ in range(_FIRST_RUNS + _RUNS):
        start_s = perf_counter()
        execute(inputs)
        times_s.append(perf_counter() - start_s)
    return statistics.median(times_s[_FIRST_RUNS:])


def _program() -> StageProgram:
    weight = np.full((_WIDTH, _WIDTH), 1 / _WIDTH, np.float32)
    names = ["x", *(f"y{layer}" for layer in range(_LAYERS))]
    nodes = [
        helper.make_node("MatMul", [names[layer], f"w{layer}"], [names[layer + 1]])
        for layer in range(_LAYERS)
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [_ROWS, _WIDTH])
        for name in (names[0], names[-1])
    ]
    weights = [numpy_helper.from_array(weight, f"w{layer}") for layer in range(_LAYERS)]
    graph = helper.make_graph(nodes, "probe", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    values = [Value(name, "float32", (_ROWS, _WIDTH)) for name in (names[0], names[-1])]
    return StageProgram("probe", ir.from_proto(model), (values[0],), (values[1],))
