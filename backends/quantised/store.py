"""Stages as a plan stores them: weights of products in few bits, so that loading quantises none.

A weight that the stage needs in full besides, or turned besides, stays in full, and so does one
that would be no smaller, being shorter than a block: it is quantised when the stage is prepared.
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
    readers: dict[str, list[Target]] = {}
    for target in targets(model.graph, scheme):
        readers.setdefault(target.name, []).append(target)
    for name, found in readers.items():
        value = model.graph.initializers.get(name)
        if value is None or not _is_all(value, found):
            continue
        matrix = quantised_matrix(found[0], scheme)
        if held is not None:
            held.keep([matrix])
        if matrix.form.size_bytes < found[0].tensor.nbytes:
            value.const_value = QuantisedTensor(
                name, matrix, turned=found[0].turned, kernel=found[0].kernel
            )
    return replace(stage, model=model)


def _is_all(value: ir.Value, found: list[Target]) -> bool:
    """Whether the products that were `found` are all that read a weight, and read it alike."""
    alike = len({(target.turned, target.kernel) for target in found}) == 1
    return alike and len(value.uses()) == len(found) and not value.is_graph_output()
