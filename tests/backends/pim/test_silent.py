"""Silent-PIM: the figures of the published traces, as far as the model follows them."""

import pytest

from stagecut import backends
from stagecut.backends.pim import create
from stagecut.backends.pim.work import Product
from stagecut.compiler.ir.graph import Value
from tests.support.nodes import sample
from tests.support.pim import estimate

#: Inner and outer size of a product -> bytes of weights a second in the traces.
TRACED = {
    "512 to 512": (512, 512, 11.6e9),
    "512 to 2048": (512, 2048, 11.6e9),
    "768 to 3072": (768, 3072, 11.6e9),
    "3072 to 768": (3072, 768, 8.45e9),
    "768 to 2304": (768, 2304, 8.45e9),
}


@pytest.mark.parametrize(("inner", "outer", "rate"), TRACED.values(), ids=TRACED.keys())
def test_products_run_at_the_traced_rate(inner: int, outer: int, rate: float) -> None:
    """Every row of the activation goes through the whole weight again."""
    found = estimate("pim.silent", "MatMul", [(8, inner), (inner, outer)])
    assert 8 * inner * outer * 2 / found.run_s == pytest.approx(rate, rel=0.04)


def test_small_square_products_are_a_sixth_too_fast() -> None:
    """The one shape of the traces, at 7.3 GB/s, that padding alone does not explain."""
    found = estimate("pim.silent", "MatMul", [(8, 768), (768, 768)])
    assert found.run_s == pytest.approx((1 - 0.16) * 8 * 768 * 768 * 2 / 7.3e9, rel=0.01)


def test_a_transposed_weight_is_transposed_once_a_run() -> None:
    """64 ms for BERT's head in the traces, however many rows the activation has."""
    cost = create("pim.silent", {}).architecture.cost
    for rows in (1, 8):
        plain, transposed = (cost(Product(rows, 768, 30522, flag)) for flag in (False, True))
        added_s = transposed.spent.run_s - plain.spent.run_s
        assert added_s == pytest.approx(64e-3, rel=0.01)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
def test_passes_go_through_both_operands_and_the_result(op: str) -> None:
    found = estimate("pim.silent", op, [(1024, 512), (1024, 512)])
    assert found.run_s == pytest.approx(3 * 1024 * 512 * 2 / 11.6e9)


def test_copies_take_their_start_and_something_for_each_number() -> None:
    to_memory, to_host = backends.create("pim.silent").links
    value = Value("v", "float32", (1000,))
    for link, time_s in ((to_memory, 25e-6 + 9.1e-6), (to_host, 25e-6 + 17.5e-6)):
        found = link.estimate(value)
        assert found is not None
        assert found.run_s == pytest.approx(time_s)


def test_there_are_no_activations_in_memory() -> None:
    backend = backends.create("pim.silent")
    assert backend.device.basis == "modelled"
    relu = sample("(float[3] x) => (float[3] y) { y = Relu(x) }")
    assert "no in-memory kernel" in backend.supports(relu.node).reason
