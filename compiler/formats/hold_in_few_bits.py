"""Let some of what reads a weight read it in few bits, whatever else reads it in full.

Gather(W, ids), Gemm(x, W)    >    Gather(W, ids), Gemm(x, W/int4)
"""

from collections.abc import Sequence

import onnx_ir as ir

from stagecut.compiler.formats.quantised_tensor import QuantisedTensor


def hold_in_few_bits(
    graph: ir.Graph, weight: ir.Value, uses: Sequence[tuple[ir.Node, int]], few: QuantisedTensor
) -> None:
    """`few` takes the place of an initializer of `graph` where these `uses`, nodes and which of
    their operands, are all that there are, and lies beside it otherwise."""
    name = str(weight.name)
    if len(weight.uses()) == len(uses) and not weight.is_graph_output():
        weight.const_value = few.called(name)
        return
    name = f"{name}/int{few.matrix.form.bits}"
    while name in graph.initializers:
        name += "/again"
    beside = ir.val(name, const_value=few.called(name))
    graph.register_initializer(beside)
    for node, index in uses:
        node.replace_input_with(index, beside)
