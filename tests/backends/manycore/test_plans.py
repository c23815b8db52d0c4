"""A block of a transformer as a plan with a many-core device in it: right, and told why."""

from typing import NoReturn

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.context import Settings
from stagecut.runtime import Session
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.unprofiled_shapes import UnprofiledShapes
from tests.backends.manycore.numerics.test_executable import block
from tests.support.decoders import PROMPT, PlainLoop, decoder_plan, tiny_decoder
from tests.support.nodes import sample

#: On so hot a processor, whatever can run elsewhere is better off there.
HOT = "cpu.serial:watts_per_thread=10000"


def _compiled(precision: str, **options: float) -> Plan:
    case = block()
    (x,) = case.feeds(seed=3)
    return compile_model(
        ir.to_proto(case.stage.model),
        feeds={"x": x},
        devices=[HOT, f"manycore.snitch16:precision={precision}"],
        objective="energy",
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-5), ("fp16", 0.01)])
def test_outputs_are_those_of_the_model_within_the_format(precision: str, apart: float) -> None:
    case, plan = block(), _compiled(precision)
    schedule = plan.first.planned.schedule
    assert {stage.device for stage in schedule.stages} == {"manycore.snitch16"}
    (x,) = case.feeds(seed=4)
    (result,) = Session(plan).run(None, {"x": x})
    (expected,) = case.reference([x])
    off = np.abs(result - expected).max() / np.abs(expected).max()
    assert 0 < off < apart


def test_eight_bits_need_a_tolerance() -> None:
    """Without one, nodes that are further off than a twentieth run elsewhere."""
    held = set(_compiled("fp8").first.planned.schedule.device_of.values())
    assert "cpu.serial" in held
    plan = _compiled("fp8", tolerance=0.5)
    assert {stage.device for stage in plan.first.planned.schedule.stages} == {"manycore.snitch16"}


HEADS = """(float[16, 16, 16] q, float[16, 16, 16] k, float[16, 16, 16] v) =>
 (float[16, 16, 16] y) {
    s = MatMul(q, k) t = Mul(s, c) p = Softmax(t) y = MatMul(p, v)
}"""
LEVERS = ",near_exp=on,transposed_v=on,multiply_not_divide=on"


@pytest.mark.parametrize(("levers", "nodes"), [("", 2), (LEVERS, 1)], ids=["library", "levers"])
def test_attention_is_one_node_where_its_kernel_is_faster_than_its_parts(
    levers: str, nodes: int
) -> None:
    """The library's kernel is slower: it transposes V for each tile of rows."""
    case = sample(HEADS, c=np.array(0.25, np.float32))
    feeds = dict(zip("qkv", case.feeds(), strict=True))
    plan = compile_model(
        ir.to_proto(case.stage.model),
        feeds=feeds,
        devices=[HOT, f"manycore.snitch16:precision=fp32{levers}"],
        objective="energy",
    )
    assert len(plan.first.planned.nodes) == nodes
    (result,) = Session(plan).run(None, feeds)
    np.testing.assert_allclose(result, case.reference(feeds.values())[0], atol=1e-5)


@pytest.mark.parametrize("model", ["zoo:tiny-vit", "zoo:tiny-gpt2"])
def test_a_whole_model_passes_the_gate_on_both_and_says_what_the_chip_cannot_run(
    model: str,
) -> None:
    plan = compile_model(
        model,
        devices=["cpu.parallel", "manycore.snitch16:precision=fp32"],
        settings=Settings(effort="quick"),
        forbids=["op:MatMul=cpu.parallel"],
    )
    planned = plan.first.planned
    assert {stage.device for stage in planned.schedule.stages} == {
        "cpu.parallel",
        "manycore.snitch16",
    }
    reasons = [why for node in planned.nodes for why in node.refusals.values()]
    assert any("the library has no kernel for it" in why for why in reasons)


def test_no_step_of_a_decoder_cuts_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stages have open dimensions."""

    def cut(*_: object) -> NoReturn:
        pytest.fail("stages were cut for a length")

    plan = decoder_plan(tiny_decoder(), ["cpu.serial", "manycore.snitch16"], seed=1)
    monkeypatch.setattr(UnprofiledShapes, "_bound_to", cut)
    for entry in plan.document.entries.values():
        devices = {stage.device for stage in entry.variants[0].schedule.stages}
        assert devices == {"cpu.serial", "manycore.snitch16"}
    found = Generator(plan)(PROMPT, max_new=20)
    assert [*found.tokens] == PlainLoop(tiny_decoder()).greedy(PROMPT, 20)


def test_rows_stay_from_node_to_node_with_the_lever() -> None:
    """Two products are one node, which takes less than the two, and computes the same."""
    rng = np.random.default_rng(0)
    case = sample(
        "(float[128, 64] x) => (float[128, 64] y) "
        "{ n = LayerNormalization(x, s) u = MatMul(n, v) y = MatMul(u, w) }",
        s=np.ones(64, np.float32),
        v=rng.standard_normal((64, 128), np.float32),
        w=rng.standard_normal((128, 64), np.float32),
    )
    feeds = {"x": case.feeds(seed=3)[0]}
    plans = [
        compile_model(
            ir.to_proto(case.stage.model),
            feeds=feeds,
            devices=[HOT, f"manycore.snitch16:precision=fp32,keep_rows={lever}"],
            objective="energy",
        )
        for lever in ("off", "on")
    ]
    apart, together = (plan.first.planned for plan in plans)
    assert len(apart.schedule.device_of) == 2
    assert set(together.schedule.device_of.values()) == {"manycore.snitch16"}
    assert len(together.schedule.device_of) == 1
    assert together.account.latency_s < apart.account.latency_s
    stored, kept = (Session(plan).run(None, feeds)[0] for plan in plans)
    np.testing.assert_array_equal(stored, kept)
