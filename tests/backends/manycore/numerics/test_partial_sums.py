"""Partial sums of clusters, in the order of the tree, within their bound."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.manycore.numerics.executable import build
from stagecut.backends.manycore.numerics.formats import FORMATS, Format
from stagecut.backends.manycore.numerics.partial_sums import added_up, split, split_error
from stagecut.backends.manycore.numerics.products import products
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.graph import Operator, Value
from tests.backends.manycore.numerics.test_executable import block
from tests.support.manycore import manycore

forms = st.sampled_from(list(FORMATS.values()))


def _numbers(form: Format, seed: int, *shape: int) -> Tensor:
    return form.held(np.random.default_rng(seed).standard_normal(shape))


@given(forms, st.booleans(), st.integers(1, 17), st.integers(1, 20), st.integers(0, 99))
def test_a_split_product_is_within_its_bound(
    form: Format, exact: bool, clusters: int, each: int, seed: int
) -> None:
    left, right = (
        _numbers(form, seed + at, *shape)
        for at, shape in enumerate([(2, clusters * each), (clusters * each, 3)])
    )
    result = split(products(form, exact=exact), form, right, clusters)(left)
    a, b = left.astype(np.longdouble), right.astype(np.longdouble)
    assert (np.abs(result - a @ b) <= split_error(a, b, form, clusters, exact=exact)).all()
    assert (form.held(result) == result).all()


@given(forms, st.integers(1, 24), st.integers(0, 99))
def test_who_has_received_adds_up(form: Format, clusters: int, seed: int) -> None:
    """Cluster by cluster: in round r, those whose number 2^(r + 1) divides receive from the one
    that is 2^r further."""
    held = [*_numbers(form, seed, clusters, 4)]
    step = 1
    while step < clusters:
        for cluster in range(0, clusters - step, 2 * step):
            held[cluster] = form.rounded(held[cluster] + held[cluster + step])
        step *= 2
    np.testing.assert_array_equal(added_up([*_numbers(form, seed, clusters, 4)], form), held[0])


@pytest.mark.parametrize(("name", "lost"), [("fp16", 2.0**-11), ("fp8", 2.0**-4)])
def test_what_is_too_small_for_a_stored_sum_is_lost(name: str, lost: float) -> None:
    """1 and half a unit twice, which reach it one by one, or together."""
    form = FORMATS[name]
    first, last = ([1.0, lost, lost, 0.0], [1.0, 0.0, lost, lost])
    sums = [added_up([*np.array(each, np.float32)], form) for each in (first, last)]
    assert sums == [1.0, 1.0 + 2 * lost]


@dataclass(frozen=True, slots=True)
class _Over:
    """So many clusters, whatever the sizes."""

    result: Value
    value: Value
    count: int

    def clusters(self, _: tuple[int, ...], __: int) -> int:
        return self.count


@dataclass(frozen=True, slots=True)
class _Splits:
    """The block's projection over so many clusters."""

    clusters: int

    def __call__(self, operators: Sequence[Operator], _: Collection[str]) -> dict[str, _Over]:
        named = {value.name: value for each in operators for value in each.writes}
        return {"MatMul_16": _Over(named["o"], named["v"], self.clusters)}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "fp8"])
@pytest.mark.parametrize("numerics", ["fast", "exact"])
def test_a_plan_s_projection_is_computed_as_it_is_priced(precision: str, numerics: str) -> None:
    """Of four heads, on four clusters where the way to the memory is so slow that it is fused."""
    case, form = block(), FORMATS[precision]
    (x,) = case.feeds(seed=2)
    feeds = [np.asarray(form.held(x), form.stored)]
    exact = numerics == "exact"
    results = {}
    for wide in (8, 512):
        options = f"precision={precision},numerics={numerics},hbm_bytes_per_cycle={wide}"
        (results[wide],) = manycore(f"manycore.snitch16:{options}").prepare(case.stage)(feeds)
    (of_four,), (of_one,) = (
        build(case.stage, form, exact=exact, tile=64, splits=_Splits(clusters))(feeds)
        for clusters in (4, 1)
    )
    np.testing.assert_array_equal(results[8], of_four)
    np.testing.assert_array_equal(results[512], of_one)
    assert (of_four != of_one).any()
