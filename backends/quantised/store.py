"""Stages as a plan stores them: weights of products in few bits, so that loading quantises none.

    Gather(W, ids), Gemm(x, W)    >    Gather(W, ids), Gemm(x, W/int4)

A weight that the stage needs in full besides, or turned besides, is there twice. One that would be
no smaller, being shorter than a block, stays in full and is quantised when the stage is prepared.
"""

from dataclasses import replace

import onnx_ir as ir

from stagecut.backends.quantised.held import Held
from stagecut.backends.quantised.products import Target, quantised_matrix, targets
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.compiler.ir.device import StageProgram


def stored(stage: StageProgram, scheme: Scheme, held: Held | None = None) -> StageProgram:
    """`stage`, which stays as it is, with the weights that the scheme is for in few bits. Raises
    EngineError where a tool leaves one as it is."""
    model = stage.model.clone()
    graph = model.graph
    readers: dict[tuple[str, bool, tuple[int, ...]], list[Target]] = {}
    for target in targets(graph, scheme):
        readers.setdefault((target.name, target.turned, target.kernel), []).append(target)
    for (name, turned, kernel), found in readers.items():
        value = graph.initializers.get(name)
        if value is None:
            continue
        matrix = quantised_matrix(found[0], scheme)
        if held is not None:
            held.keep([matrix])
        if matrix.form.size_bytes >= found[0].tensor.nbytes:
            continue
        few = value if _is_all(value, found) else _beside(graph, value, f"{name}/int{scheme.bits}")
        few.const_value = QuantisedTensor(str(few.name), matrix, turned=turned, kernel=kernel)
        for target in found:
            target.node.replace_input_with(1, few)
    return replace(stage, model=model)


def _is_all(value: ir.Value, found: list[Target]) -> bool:
    """Whether the products that were `found` are all that read a weight."""
    return len(value.uses()) == len(found) and not value.is_graph_output()


def _beside(graph: ir.Graph, value: ir.Value, name: str) -> ir.Value:
    """A weight like `value`, without numbers yet."""
    while name in graph.initializers:
        name += "/again"
    new = ir.Value(name=name, shape=value.shape, type=value.type, const_value=value.const_value)
    graph.register_initializer(new)
    return new
