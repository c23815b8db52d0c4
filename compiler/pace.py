"""The pace of a device: what preparing and running stages takes, by three small programs.

a Relu                          what a stage takes, whatever is in it
a chain of Relus                what each further operator takes
a product with 4 MiB of weights what each byte of weights, and each operation, takes
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.device import Backend, StageProgram
from stagecut.compiler.ir.graph import Node, Value

#: The product: so many rows, and a matrix of so many rows and columns.
_ROWS, _SIDE = 16, 1024

#: Of the weights of the product.
WEIGHT_BYTES = 4 * _SIDE**2

#: Operators of the chain.
_CHAIN = 32

#: Each small program is prepared and run so often. The mean counts: other work that slows these
#: down will slow a compile down, too.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """Of one device, in seconds: `load_s` until its engine is there; preparing takes `stage_s` for
    a stage, and more for each of its operators and each byte of its weights; running takes
    `start_s`, and more for each operation."""

    load_s: float
    stage_s: float
    operator_s: float
    byte_s: float
    start_s: float
    flop_s: float

    def prepare_s(self, nodes: Sequence[Node]) -> float:
        """As one stage."""
        operators = sum(len(node.operators) for node in nodes)
        return self.stage_s + operators * self.operator_s + weight_bytes(nodes) * self.byte_s

    def run_s(self, nodes: Sequence[Node]) -> float:
        return self.start_s + sum(node.flops for node in nodes) * self.flop_s


def weight_bytes(nodes: Iterable[Node]) -> int:
    """Of the weights that the nodes read, each once."""
    weights = {weight.name: weight.size_bytes for node in nodes for weight in node.weights}
    return sum(weights.values())


def pace_of(engine: Backend, clock: Callable[[], float]) -> Pace:
    """Raises StagecutError where the engine fails."""
    load_s = timed(clock, lambda: engine.prepare(_relus(1)))
    single_s, start_s = _tried(engine, _relus(1), clock)
    chain_s, _ = _tried(engine, _relus(_CHAIN), clock)
    product_s, product_run_s = _tried(engine, product(), clock)
    operator_s = max(0.0, chain_s - single_s) / (_CHAIN - 1)
    return Pace(
        max(0.0, load_s - single_s),
        single_s,
        operator_s,
        max(0.0, product_s - single_s) / WEIGHT_BYTES,
        start_s,
        max(0.0, product_run_s - start_s) / (2 * _ROWS * _SIDE**2),
    )


def _tried(
    engine: Backend, program: StageProgram, clock: Callable[[], float]
) -> tuple[float, float]:
    """What preparing and running it take: the means of some tries."""
    [port] = program.inputs
    feed = np.ones(port.shape, np.float32)
    executable = engine.prepare(program)
    prepared_s = [timed(clock, lambda: engine.prepare(program)) for _ in range(_TRIES)]
    executable([feed])
    ran_s = [timed(clock, lambda: executable([feed])) for _ in range(_TRIES)]
    return statistics.fmean(prepared_s), statistics.fmean(ran_s)


def timed(clock: Callable[[], float], do: Callable[[], object]) -> float:
    """In seconds by the clock."""
    start_s = clock()
    do()
    return clock() - start_s


def _relus(count: int) -> StageProgram:
    """So many of them, one behind the other, on a single number."""
    first = _value("x", 1)
    values = [first, *(_value(f"y{at}", 1) for at in range(count))]
    nodes = [
        ir.Node("", "Relu", [values[at]], outputs=[values[at + 1]], name=f"relu{at}")
        for at in range(count)
    ]
    return _program(first, values[-1], nodes)


def product() -> StageProgram:
    """On the host's memory, its weights in the model."""
    x, y = _value("x", _ROWS, _SIDE), _value("y", _ROWS, _SIDE)
    numbers = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), np.float32)
    weight = ir.Value(name="w", const_value=ir.tensor(numbers, name="w"))
    weight.type, weight.shape = x.type, ir.Shape(numbers.shape)
    return _program(x, y, [ir.Node("", "MatMul", [x, weight], outputs=[y], name="product")], weight)


def _value(name: str, *shape: int) -> ir.Value:
    return ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(shape))


def _program(
    x: ir.Value, y: ir.Value, nodes: Sequence[ir.Node], *weights: ir.Value
) -> StageProgram:
    graph = ir.Graph(
        [x], [y], nodes=nodes, initializers=weights, opset_imports={"": 14}, name="pace"
    )
    return StageProgram("pace", ir.Model(graph, ir_version=8), (_port(x),), (_port(y),))


def _port(value: ir.Value) -> Value:
    shape = ir.Shape([]) if value.shape is None else value.shape
    return Value(str(value.name), "float32", tuple(shape.numpy()))
