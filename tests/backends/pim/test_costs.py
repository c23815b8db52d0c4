"""What belongs to a node and what to a copy: nothing is left out and nothing is counted twice."""

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.errors import ShapeError, StagecutError, UnplaceableError, UsageError
from stagecut.compiler.ir.graph import Node, Value
from tests.support.nodes import sample
from tests.support.pim import estimate

#: A host that costs nothing, so that only the memory's own time is left.
FREE = "pim.hbm:split=off,sync_s=0,flush_bytes_per_s=1e30,reduce_bytes_per_s=1e30"
WEIGHT = np.zeros((768, 768), np.float32)


def test_a_node_costs_the_sum_of_its_operators() -> None:
    backend = backends.create("pim.hbm")
    together = sample(
        "(float[4, 768] x, float[4, 768] r) => (float[4, 768] y) "
        "{ h = MatMul(x, w) b = Add(h, c) v = Identity(b) s = Add(v, r) y = Relu(s) }",
        w=WEIGHT,
        c=WEIGHT[0],
    )
    parts = [
        estimate("pim.hbm", "MatMul", [(4, 768), (768, 768)]),
        estimate("pim.hbm", "Add", [(4, 768), (4, 768)]),
        estimate("pim.hbm", "Add", [(4, 768), (4, 768)]),
        estimate("pim.hbm", "Relu", [(4, 768)]),
    ]
    assert _run_s(backend, together.node) == pytest.approx(sum(part.run_s for part in parts))


def test_an_activation_that_is_repeated_is_fetched_and_written_out_in_full() -> None:
    repeated = estimate(FREE, "Add", [(4096, 768), (768,)])
    full = estimate(FREE, "Add", [(4096, 768), (4096, 768)])
    to_memory, to_host = backends.create(FREE).links
    fetched = to_host.estimate(Value("v", "float32", (768,)))
    written = to_memory.estimate(Value("v", "float32", (4096, 768)))
    assert fetched is not None
    assert written is not None
    assert repeated.cycles == full.cycles
    assert repeated.run_s - full.run_s == pytest.approx(fetched.run_s + written.run_s)


def test_weights_are_loaded_once_and_reported_apart() -> None:
    """8 MiB of weights, 4096 bursts a channel, at 2.8 cycles a burst."""
    answer = estimate(FREE, "MatMul", [(1, 1024), (1024, 4096)])
    assert answer.load_s == pytest.approx(4096 * 2.8e-9, rel=1e-3)
    assert estimate(FREE, "Relu", [(4096,)]).load_s == 0


def test_an_elementwise_node_is_its_kernel_and_one_hand_over() -> None:
    answer = estimate("pim.hbm:sync_s=5e-6", "Add", [(4096,), (4096,)])
    assert answer.run_s == pytest.approx(answer.cycles * 1e-9 + 5e-6)


def test_a_product_also_fetches_its_operand_and_puts_its_result_back() -> None:
    answer = estimate(FREE, "MatMul", [(4, 768), (768, 1024)])
    to_memory, to_host = backends.create(FREE).links
    fetched, put_back = (
        link.estimate(Value("v", "float32", shape))
        for link, shape in ((to_host, (4, 768)), (to_memory, (4, 1024)))
    )
    assert fetched is not None
    assert put_back is not None
    kernel_s = (answer.cycles + answer.readback_cycles) * 1e-9
    assert answer.run_s == pytest.approx(kernel_s + fetched.run_s + put_back.run_s)


def test_lanes_are_added_up_for_real_outputs_only() -> None:
    """16 lanes of 2 bytes for each of 5 x 100 outputs."""
    slow = estimate(
        f"{FREE.rpartition(',')[0]},reduce_bytes_per_s=1e6", "MatMul", [(5, 9), (9, 100)]
    )
    fast = estimate(FREE, "MatMul", [(5, 9), (9, 100)])
    assert slow.run_s - fast.run_s == pytest.approx(5 * 100 * 32 / 1e6)


@pytest.mark.parametrize(
    ("elements", "channels", "cycles"),
    [(16, 1, 2), (16 * 64, 64, 2), (16 * 64 + 1, 64, 4), (16 * 1000, 1, 2000)],
)
def test_a_copy_takes_two_cycles_a_burst_and_channel(
    elements: int, channels: int, cycles: int
) -> None:
    """Before that, a read opens a row and waits for its data: 53 cycles; a write opens one: 25."""
    backend = backends.create(f"{FREE},channels={channels},refresh=off")
    value = Value("v", "float32", (elements,))
    seconds = [link.estimate(value) for link in backend.links]
    assert [cost and round(cost.run_s * 1e9) for cost in seconds] == [25 + cycles, 53 + cycles]


def test_a_copy_pays_the_host() -> None:
    value = Value("v", "float32", (1000,))
    to_memory, _ = backends.create("pim.hbm:sync_s=7e-6,flush_bytes_per_s=1e9").links
    free, _ = backends.create(FREE).links
    dear, cheap = to_memory.estimate(value), free.estimate(value)
    assert dear is not None
    assert cheap is not None
    assert dear.run_s - cheap.run_s == pytest.approx(7e-6 + 2000 / 1e9)


MISTAKES: dict[str, tuple[str, str, list[tuple[int, ...]], type[StagecutError], str]] = {
    "shapes that do not fit": (
        "pim.hbm", "MatMul", [(1, 8), (9, 4)], ShapeError, "Incompatible dimensions"
    ),
    "too few shapes": ("pim.hbm", "MatMul", [(1, 8)], ShapeError, "1 operands"),
    "an operator that ONNX lacks": ("pim.hbm", "Mat", [(1, 8)], UsageError, "no operator 'Mat'"),
    "an operator that the memory lacks": (
        "pim.hbm", "Softmax", [(1, 8)], UnplaceableError, "no in-memory kernel"
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "op", "shapes", "error", "problem"), MISTAKES.values(), ids=MISTAKES.keys()
)
def test_mistakes(
    spec: str, op: str, shapes: list[tuple[int, ...]], error: type[StagecutError], problem: str
) -> None:
    with pytest.raises(error, match=problem) as caught:
        estimate(spec, op, shapes)
    assert caught.value.where
    assert caught.value.fix


def test_another_number_format_is_refused() -> None:
    assert estimate("pim.hbm", "Relu", [(8,)], "float16") == estimate("pim.hbm", "Relu", [(8,)])
    with pytest.raises(UsageError, match="computes in float16, not in float64"):
        estimate("pim.hbm", "Relu", [(8,)], "float64")


def _run_s(backend: Backend, node: Node) -> float:
    cost = backend.estimate(node)
    assert cost is not None
    return cost.run_s
