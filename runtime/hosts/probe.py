"""What the same small model takes on each real device of a host: how hosts are compared.

Four dense layers of 512 x 512 on 64 rows: 134 MFLOP and 4 MiB of weights. Each device runs it for
the same time on every host, so that hosts that are probed at once run it on the same one.
"""

import statistics
from collections.abc import Callable
from functools import cached_property
from time import perf_counter

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from stagecut import backends
from stagecut.compiler.ir.device import Executable, StageProgram
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.graph import Value

_ROWS, _WIDTH, _LAYERS = 64, 512, 4
_RUN_FOR_S, _LEAST_RUNS = 0.1, 5


class Probe:
    """The devices of this host. They are prepared when it is asked first."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock

    def times_s(self) -> dict[str, float]:
        """The median of some runs, by device; a device that fails is left out."""
        found = {}
        for name, execute in self._executables.items():
            try:
                found[name] = self._time_s(execute)
            except StagecutError:
                continue
        return found

    @cached_property
    def _executables(self) -> dict[str, Executable]:
        found = {}
        for name in backends.real_devices():
            try:
                found[name] = backends.create(name).prepare(_program())
                self._time_s(found[name])
            except StagecutError:
                found.pop(name, None)
        return found

    def _time_s(self, execute: Executable) -> float:
        inputs = [np.ones((_ROWS, _WIDTH), np.float32)]
        times_s: list[float] = []
        end_s = self._clock() + _RUN_FOR_S
        while len(times_s) < _LEAST_RUNS or self._clock() < end_s:
            start_s = self._clock()
            execute(inputs)
            times_s.append(self._clock() - start_s)
        return statistics.median(times_s)


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
