"""Concat fused into the output projection."""

import pytest

from stagecut.backends.manycore.concat import concat_linear, reduction
from stagecut.backends.manycore.product import Product, tiled
from tests.support.manycore import chip


def test_sums_meet_in_a_tree() -> None:
    one = reduction(chip(), 4096, 2)
    assert [reduction(chip(), 4096, n) / one for n in (1, 2, 3, 4, 8, 12, 16)] == [
        0, 1, 2, 2, 3, 4, 4,
    ]  # fmt: skip


@pytest.mark.parametrize("heads", [12, 16, 25])
def test_each_cluster_multiplies_its_heads(heads: int) -> None:
    one = chip("fp16")
    clusters, each = min(heads, 16), -(-heads // 16)
    product = tiled(one, Product(32, 768, 64 * each, count=clusters))
    taken = concat_linear(one, 32, 768, 64, heads)
    assert taken == product.cycles + reduction(one, 32 * 768, clusters)
