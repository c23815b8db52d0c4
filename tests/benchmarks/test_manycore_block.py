"""The study's blocks as models: as much work as the experiment counts, and right."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from benchmarks.manycore_block import CACHE, block
from benchmarks.manycore_models import Case, Model, works
from stagecut.backends.manycore.mapped import works_of
from stagecut.backends.manycore.product import Product
from stagecut.backends.manycore.work import Projected
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.view import View
from tests.support.manycore import unchained

SMALL = Model("small", 2, 64, 16, 128, 4, 24, ("encoder",))


@pytest.mark.parametrize("mode", ["encoder", "nar", "ar"])
def test_its_products_and_its_attention_are_those_of_the_experiment(mode: str) -> None:
    case = Case(SMALL, mode, 24, "fp64", 16)
    model, feeds = block(case)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    found = [*unchained(works_of(_node(ir.from_proto(inferred)), fused=True))]
    wanted = [*unchained(works(case, fused=True))]
    assert [work for work in found if isinstance(work, Product)] == [
        work for work in wanted if isinstance(work, Product)
    ]
    ours, theirs = (
        [(work.attend, work.product) for work in some if isinstance(work, Projected)]
        for some in (found, wanted)
    )
    assert ours == theirs
    assert len(ours) == 1
    assert set(feeds) == {"x", *(CACHE[:2] if mode == "ar" else ())}
    results = [np.asarray(each) for each in ReferenceEvaluator(model).run(None, dict(feeds))]
    assert all(np.isfinite(result).all() for result in results)
    assert results[0].shape == feeds["x"].shape


def _node(model: ir.Model) -> Node:
    view = View(model.graph)
    for at, proto in enumerate(model.graph):
        proto.name = f"{proto.op_type}_{at}"
    operators = tuple(view.operator(proto) for proto in model.graph)
    outputs = tuple(
        value
        for operator in operators
        for value in operator.writes
        if value.name in {each.name for each in model.graph.outputs}
    )
    return Node("block", "block", operators, (), outputs, (), 0)
