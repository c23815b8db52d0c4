"""Parts of graphs: what depends on some inputs alone, and the same behind another graph."""

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.decoder.parts import border, computed_from, copy_part
from stagecut.compiler.frontends.normal_form.ort_inference import run
from stagecut.compiler.frontends.onnx_file import import_proto
from tests.support.decoders import with_weights

#: `k` and what is made of it depend on `m` alone; `n` on its sizes; `both` and `r` on more.
_STEP = """
<ir_version: 10, opset_import: ["": 21]>
step (float[1,s,8] m, float[1,t,8] q, bool[1] which) => (float[1,t,s] scores, float[1,s,8] more)
{ k = MatMul(m, w)  half = Constant<value_floats = [0.5]>()  kh = Mul(k, half)
  n = Shape(kh)  flat = Reshape(kh, n)  turned = Transpose<perm = [0,2,1]>(flat)
  noise = RandomNormalLike(kh)  more = Add(noise, kh)
  scores = MatMul(q, turned) }
"""
_ENCODER = """
<ir_version: 10, opset_import: ["": 21]>
encoder (float[1,s,8] x) => (float[1,s,8] m) { m = Tanh(x) }
"""


@pytest.fixture
def step() -> ir.Model:
    return import_proto(with_weights(_STEP, {"w": (8, 8)}, {}, seed=1)).model


def _names(values: list[ir.Value]) -> list[str | None]:
    return [value.name for value in values]


def test_what_depends_on_an_input_alone(step: ir.Model) -> None:
    memory = step.graph.inputs[0]
    assert _names(computed_from(step.graph, [memory])) == ["m", "k", "kh", "flat", "turned"]
    assert computed_from(step.graph, []) == []


def test_what_is_still_read(step: ir.Model) -> None:
    """`more` reads `kh`, `scores` reads `turned`; nothing else reads `flat` or `k`."""
    free = computed_from(step.graph, [step.graph.inputs[0]])
    assert _names(border(step.graph, free)) == ["kh", "turned"]


def test_a_copy_computes_the_same(step: ir.Model) -> None:
    graph = step.graph
    wanted = {value.name: value for value in computed_from(graph, [graph.inputs[0]])}
    encoder = import_proto(with_weights(_ENCODER, {}, {}, seed=1)).model
    known = {graph.inputs[0]: encoder.graph.outputs[0]}
    made = copy_part([wanted["turned"], wanted["kh"]], encoder.graph, known)
    assert _names(made) == ["decoder.turned", "decoder.kh"]
    encoder.graph.outputs.extend(made)
    x = np.random.default_rng(0).standard_normal((1, 3, 8)).astype(np.float32)
    memory, turned, half = run(encoder, {"x": x})
    weight = graph.initializers["w"].const_value
    assert weight is not None
    np.testing.assert_allclose(half, 0.5 * memory @ weight.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(turned, half.transpose(0, 2, 1))


def test_what_does_not_depend_on_them(step: ir.Model) -> None:
    scores = step.graph.outputs[0]
    with pytest.raises(AssertionError, match="m is none of what the part depends on"):
        copy_part([scores], ir.Graph([], [], nodes=[]), {})
