"""PIM devices by spec, and what they say of single operators."""

from collections.abc import Sequence

from stagecut import backends
from stagecut.backends.pim.device import PimBackend
from stagecut.backends.pim.estimate import OperatorEstimate
from stagecut.backends.pim.layout import Layout


def pim(spec: str) -> PimBackend:
    backend = backends.create(spec)
    assert isinstance(backend, PimBackend)
    return backend


def estimate(
    spec: str, op: str, shapes: Sequence[tuple[int, ...]], dtype: str | None = None
) -> OperatorEstimate:
    return pim(spec).estimate_operator(op, shapes, dtype)


def layout(spec: str, op: str, shapes: Sequence[tuple[int, ...]]) -> Layout:
    return pim(spec).place_operator(op, shapes)
