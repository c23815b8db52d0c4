"""A stage on a many-core device: block of a transformer, in every precision."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.backends.manycore.numerics.executable import build
from stagecut.backends.manycore.numerics.formats import FORMATS, Format
from stagecut.backends.rounding import narrow
from stagecut.compiler.ir.device import StageProgram
from tests.support.manycore import manycore
from tests.support.nodes import Sample, sample

BLOCK = """(float[1, {rows}, 16] x) => (float[1, {rows}, 16] y) {{
    n = LayerNormalization(x, g, b)
    q0 = MatMul(n, wq) k0 = MatMul(n, wk) v0 = MatMul(n, wv)
    q1 = Reshape(q0, heads) k1 = Reshape(k0, heads) v1 = Reshape(v0, heads)
    q = Transpose <perm = [0, 2, 1, 3]> (q1)
    k = Transpose <perm = [0, 2, 3, 1]> (k1)
    v = Transpose <perm = [0, 2, 1, 3]> (v1)
    s = MatMul(q, k) t = Mul(s, c) p = Softmax(t) o = MatMul(p, v)
    o1 = Transpose <perm = [0, 2, 1, 3]> (o) o2 = Reshape(o1, flat)
    z = MatMul(o2, wo) y = Add(x, z)
}}"""


def block(rows: int = 5) -> Sample:
    rng = np.random.default_rng(5)
    weights = {
        name: (rng.standard_normal((16, 16)) / 4).astype(np.float32)
        for name in ("wq", "wk", "wv", "wo")
    }
    return sample(
        BLOCK.format(rows=rows),
        g=np.ones(16, np.float32),
        b=np.zeros(16, np.float32),
        c=np.array(0.5, np.float32),
        heads=np.array([1, -1, 4, 4]),
        flat=np.array([1, -1, 16]),
        **weights,
    )


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
def test_a_block_of_a_transformer(form: Format, exact: bool) -> None:
    """Off by a few roundings: the block normalises, so that all numbers are around 1."""
    case = block()
    feeds = [narrow(feed, form.stored) for feed in case.feeds(seed=2)]
    executable = build(case.stage, form, exact=exact, tile=2)
    (result,) = executable(feeds)
    (expected,) = case.reference([feed.astype(np.float32) for feed in feeds])
    assert result.dtype == form.stored
    off = np.abs(result.astype(np.float64) - expected).max() / np.abs(expected).max()
    assert off <= max(12 * form.unit, 1e-6)


def test_inputs_are_left_alone_and_threads_may_share_it() -> None:
    case = block()
    executable = build(case.stage, FORMATS["fp32"], exact=False, tile=2)
    feeds = case.feeds()
    before = [feed.copy() for feed in feeds]
    one, other = executable(feeds)[0], executable(feeds)[0]
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(feeds[0], before[0])


@pytest.mark.parametrize("wide", [8, 16, 512], ids=lambda wide: f"{wide} bytes a cycle")
def test_one_with_open_shapes_computes_at_each_what_one_of_that_shape_does(wide: int) -> None:
    """Bit for bit: also where sizes say over how many clusters the projection is split."""
    device = manycore(f"manycore.snitch16:precision=fp16,hbm_bytes_per_cycle={wide}")
    serves_all = device.prepare(opened(block().stage, 5))
    for rows in (1, 2, 7, 30, 5):
        case = block(rows)
        feeds = [narrow(feed, FORMATS["fp16"].stored) for feed in case.feeds(seed=rows)]
        (one,), (other,) = serves_all(feeds), device.prepare(case.stage)(feeds)
        np.testing.assert_array_equal(one, other)


def opened(stage: StageProgram, size: int) -> StageProgram:
    """`stage` where dimensions of this `size` are open."""
    model = stage.model.clone()
    graph = model.graph
    for value in (*graph.inputs, *(each for node in graph for each in node.outputs)):
        assert value.shape is not None
        value.shape = ir.Shape("n" if dim == size else dim for dim in value.shape)
    return replace(stage, model=model)
