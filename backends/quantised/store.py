"""Stages as a plan stores them: weights of products in few bits, so that loading quantises none.

A weight that the stage needs in full besides, or turned besides, is there twice. One that would be
no smaller, being shorter than a block, stays in full and is quantised when the stage is prepared.
"""

from dataclasses import replace

from stagecut.backends.quantised.held import Held
from stagecut.backends.quantised.products import Target, quantised_matrix, targets
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.formats.hold_in_few_bits import hold_in_few_bits
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
        few = QuantisedTensor(name, matrix, turned=turned, kernel=kernel)
        hold_in_few_bits(graph, value, [(target.node, 1) for target in found], few)
    return replace(stage, model=model)
