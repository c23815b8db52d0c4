"""Products with the keys and values in a PIM's memory: which, what they take, what comes out."""

from typing import NoReturn

import numpy as np
import pytest

from stagecut.backends.pim.architecture import Architecture
from stagecut.backends.pim.device import PimBackend
from stagecut.backends.pim.numerics import Fast
from stagecut.backends.pim.state import state_cost, times_state
from stagecut.backends.pim.work import Product, StateProduct
from stagecut.compiler import Plan
from stagecut.compiler.entries import decode_step
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.session import DecoderSession
from stagecut.runtime.unprofiled_shapes import UnprofiledShapes
from tests.support.decoders import HEADS, PROMPT, SIZE, PlainLoop, decoder_plan, tiny_decoder
from tests.support.pim import pim

LENGTH = 64
SCORES = StateProduct(Product(1, SIZE, LENGTH), HEADS, is_sum_of_rows=False)
MIX = StateProduct(Product(1, LENGTH, SIZE), HEADS, is_sum_of_rows=True)


@pytest.fixture(scope="module")
def step() -> Graph:
    """The entry `decode` of one layer behind LENGTH - 1 tokens, a node for each operator."""
    imported, _ = import_model(tiny_decoder())
    program, _ = decode_step(imported, None, DecodingOptions(length=LENGTH - 1), {})
    return graph_of(program)


def _device(channels: int = 8) -> PimBackend:
    return pim(f"pim.aim:channels={channels}")


def _nodes(graph: Graph, op: str) -> list[Node]:
    return [node for node in graph.nodes if node.op == op]


def test_both_products_with_the_cache_are_seen_by_head(step: Graph) -> None:
    device = _device()
    works = [work for node in _nodes(step, "MatMul") for work in device.work(node.operators[0])]
    assert [work for work in works if isinstance(work, StateProduct)] == [SCORES, MIX]


def test_the_device_takes_the_cache_and_leaves_softmax(step: Graph) -> None:
    device = _device()
    assert all(map(device.supports, (*_nodes(step, "MatMul"), *_nodes(step, "Concat"))))
    assert not any(map(device.supports, _nodes(step, "Softmax")))
    of_queries = next(node for node in step.nodes if node.outputs[0].name == "qt")
    assert not device.supports(of_queries), "it is no state that is transposed there"


def test_heads_run_in_turn_or_side_by_side_whichever_is_faster() -> None:
    whole, share = _device(8).architecture, _device(8 // HEADS).architecture

    def least_s(product: Product) -> float:
        return min(HEADS * whole.cost(product).spent.run_s, share.cost(product).spent.run_s)

    scores, mix = state_cost(whole, SCORES), state_cost(whole, MIX)
    assert scores.spent.run_s == pytest.approx(least_s(SCORES.of_head))
    # each number of a new row of values is written in a burst of its own
    scattered_s = whole.write(16 * SIZE * HEADS).run_s - whole.write(SIZE * HEADS).run_s
    assert mix.spent.run_s == pytest.approx(least_s(MIX.of_head) + scattered_s)
    assert mix.weight_bytes == 0, "a sequence takes it as a whole, once for all nodes"


@pytest.mark.parametrize("spec", ["pim.aim:channels=8", "pim.hbm:channels=8", "pim.silent"])
def test_a_burst_holds_as_many_numbers_as_the_preset_says(spec: str) -> None:
    """Each number of a new row of values is written in one, however long it is."""
    separator = "," if ":" in spec else ":"
    device = pim(f"{spec}{separator}burst_bytes=64").architecture
    by_head = StateProduct(MIX.of_head, MIX.heads, is_sum_of_rows=False)
    numbers = MIX.of_head.outer * MIX.heads
    scattered_s = device.write(32 * numbers).run_s - device.write(numbers).run_s
    found_s = state_cost(device, MIX).spent.run_s - state_cost(device, by_head).spent.run_s
    assert found_s == pytest.approx(scattered_s)


@pytest.mark.parametrize("name", ["pim.aim", "pim.hbm", "pim.silent"])
def test_a_share_of_the_channels(name: str) -> None:
    architecture: Architecture = pim(name).architecture
    assert architecture.share(1) == architecture
    assert architecture.share(7) is None
    if name == "pim.silent":
        assert architecture.share(2) is None
        return
    channels = pim(f"{name}:channels=8").architecture.share(2)
    assert channels == pim(f"{name}:channels=4").architecture


def test_longer_caches_take_longer() -> None:
    architecture = _device().architecture
    works = [
        StateProduct(Product(1, 64, length), HEADS, is_sum_of_rows=False)
        for length in (128, 1024, 16384)
    ]
    times = [state_cost(architecture, work).spent.run_s for work in works]
    assert times == sorted(times)
    assert times[0] < times[-1] / 8


def test_a_product_by_head() -> None:
    rng = np.random.default_rng(0)
    left = rng.standard_normal((1, 2, 3, 4)).astype(np.float16).astype(np.float32)
    right = rng.standard_normal((1, 2, 4, 5)).astype(np.float16).astype(np.float32)
    found = times_state(Fast(np.float16).product, left, right)
    np.testing.assert_allclose(found, left @ right, rtol=2e-3, atol=2e-3)
    assert found.shape == (1, 2, 3, 5)


@pytest.fixture(scope="module")
def plan() -> Plan:
    """With random costs, of which these keep a state in its memory."""
    return decoder_plan(tiny_decoder(), ["cpu.serial", "pim.hbm"], seed=0)


def test_tokens_with_the_cache_in_its_memory(plan: Plan) -> None:
    homes = plan.entry_named("decode").variants[0].planned.run.homes
    assert {*homes.values()} == {"pim.hbm"}
    found = Generator(DecoderSession(plan))(PROMPT, max_new=8)
    assert [*found.tokens] == PlainLoop(tiny_decoder()).greedy(PROMPT, 8)


def test_no_step_cuts_stages(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> NoReturn:
        pytest.fail("stages were cut for a length")

    monkeypatch.setattr(UnprofiledShapes, "_bound_to", cut)
    session = DecoderSession(plan)
    tokens = PlainLoop(tiny_decoder()).greedy(PROMPT, 20)
    assert [*Generator(session)(PROMPT, max_new=20).tokens] == tokens


@pytest.mark.parametrize("length", [3, 60])
def test_what_a_step_takes_is_said_of_its_length(plan: Plan, length: int) -> None:
    """In a trace, for which the device's model is asked."""
    decode = DecoderSession(plan).entries["decode"]
    rows = {f"past_key_values.0.{part}": (length, 1, HEADS, SIZE) for part in ("key", "value")}
    feeds = {
        "input_ids": np.array([[1]]),
        "attention_mask": np.ones((1, length + 1), np.int64),
        "position_ids": np.array([[length]]),
        **{name: np.ones(shape, np.float32) for name, shape in rows.items()},
    }
    found, trace = decode.run_with_trace(None, feeds)
    modelled = [event for event in trace.events if event.basis == "modelled"]
    assert any(event.kind == "stage" and event.duration_s > 0 for event in modelled)
    for one, other in zip(found, decode.run(None, feeds), strict=True):
        np.testing.assert_array_equal(one, other)
