"""One block of the published study's transformers as an ONNX model with random weights.

encoder, nar   x [tokens, hidden] -> y             every token sees all, or those up to it
ar             x [1, hidden], keys and values of all tokens -> y, and what the cache grows by
"""

import numpy as np
import onnx
from onnx import numpy_helper, parser

from benchmarks.manycore_models import Case
from stagecut.compiler.ir.device import Feeds

_OPSET = 23  # the first with Attention

#: What of `ar` is the cache, which stays where it is from one token to the next.
CACHE = ("keys", "values", "new_keys", "new_values")

_BODY = """
    n = LayerNormalization(x, gain, shift)
    joined = MatMul(n, wqkv) biased = Add(joined, bqkv)
    q0, k0, v0 = Split <axis = 1> (biased, parts)
    q1 = Reshape(q0, split) k1 = Reshape(k0, split) v1 = Reshape(v0, split)
    q = Transpose <perm = [0, 2, 1, 3]> (q1)
    {new_keys} = Transpose <perm = [0, 2, 1, 3]> (k1)
    {new_values} = Transpose <perm = [0, 2, 1, 3]> (v1)
    o = Attention <is_causal = {causal}> (q, keys, values)
    o1 = Transpose <perm = [0, 2, 1, 3]> (o) o2 = Reshape(o1, flat)
    projected = MatMul(o2, wo) shifted = Add(projected, bo) middle = Add(shifted, x)
    m = LayerNormalization(middle, gain, shift)
    up = MatMul(m, w1) raised = Add(up, b1) g = Gelu(raised)
    down = MatMul(g, w2) lowered = Add(down, b2) y = Add(lowered, middle)
"""


def block(case: Case) -> tuple[onnx.ModelProto, Feeds]:
    """The model and a sample input."""
    m, rows = case.model, 1 if case.mode == "ar" else case.tokens
    wide, cached = m.heads * m.head, case.mode == "ar"
    of_x = f"float[{rows}, {m.hidden}]"
    held, new = (f"float[1, {m.heads}, {count}, {m.head}]" for count in (case.tokens, rows))
    read = f", {held} keys, {held} values" if cached else ""
    written = f", {new} new_keys, {new} new_values" if cached else ""
    body = _BODY.format(
        new_keys="new_keys" if cached else "keys",
        new_values="new_values" if cached else "values",
        causal=int(case.mode == "nar"),
    )
    graph = parser.parse_graph(f"block ({of_x} x{read}) => ({of_x} y{written}) {{{body}}}")
    rng = np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32) / np.float32(shape[0] ** 0.5)

    weights = {
        "gain": np.ones(m.hidden, np.float32),
        "shift": np.zeros(m.hidden, np.float32),
        "parts": np.full(3, wide),
        "split": np.array([1, rows, m.heads, m.head]),
        "flat": np.array([rows, wide]),
        "wqkv": weight(m.hidden, 3 * wide),
        "bqkv": weight(3 * wide),
        "wo": weight(wide, m.hidden),
        "bo": weight(m.hidden),
        "w1": weight(m.hidden, m.inner),
        "b1": weight(m.inner),
        "w2": weight(m.inner, m.hidden),
        "b2": weight(m.hidden),
    }
    graph.initializer.extend(numpy_helper.from_array(each, name) for name, each in weights.items())
    opset = onnx.helper.make_opsetid("", _OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=11)
    feeds = {"x": rng.standard_normal((rows, m.hidden), np.float32)}
    if cached:
        shape = (1, m.heads, case.tokens, m.head)
        feeds |= {name: rng.standard_normal(shape, np.float32) for name in ("keys", "values")}
    return model, feeds
