"""Operators that pick numbers by indices, put them somewhere, or say where they are."""

from collections.abc import Iterator

from tests.support.operators.case import Operand
from tests.support.operators.forms.shorthand import c, every, form, v, w, x
from tests.support.operators.schemas import Form

_REDUCTIONS = (None, "none", "add", "mul", "max", "min")


def _gather() -> Iterator[Form]:
    indices: tuple[Operand, ...] = (
        c([0, 2]),
        v([0, 2]),
        c([-1, 0]),
        v([-1, -3]),
        c(1),
        v(1),
        v([[0, 1], [2, 2]]),
        c([-1]),
    )
    for each in indices:
        for axis in (None, 0, 1, -1):
            yield form(x(3, 4, 3), each, axis=axis)
    yield form(w(5, 4), v([0, 4, -5]))
    yield form(x(3), v([], "int64"))
    yield form(x(0, 3), v([1]), axis=1)


def _gather_elements() -> Iterator[Form]:
    for axis in (None, 1, -1):
        yield form(x(3, 3), v([[0, 1, 2], [2, 0, 0]]), axis=axis)
        yield form(x(3, 3), c([[0, 1, 2], [2, 0, 0]]), axis=axis)
        yield form(x(3, 3), v([[0, -1, 2], [-3, 0, 0]]), axis=axis)
        yield form(x(3, 3), v([[0], [2]]), axis=axis)


def _gather_nd() -> Iterator[Form]:
    for batch in (None, 0):
        yield form(x(2, 3, 4), v([[0, 1], [1, 2]]), batch_dims=batch)
        yield form(x(2, 3, 4), c([[0, -1], [-1, 2]]), batch_dims=batch)
        yield form(x(2, 3, 4), v([0, 1, 2]), batch_dims=batch)
    yield form(x(2, 3, 4), v([[1], [2]]), batch_dims=1)
    yield form(x(2, 3, 4), v([[[1], [0]], [[2], [-1]]]), batch_dims=1)
    yield form(x(2, 3, 4), c([[1], [2]]), batch_dims=1)
    yield form(x(2, 2, 4), v([[[1], [0]], [[2], [3]]]), batch_dims=2)


def _scatter_elements() -> Iterator[Form]:
    for chosen in every(axis=(None, 1, -1), reduction=_REDUCTIONS):
        yield form(x(3, 3), v([[0, 1, 2], [2, 0, 0]]), x(2, 3), **chosen)
        yield form(x(3, 3), c([[-1, 1, 0]]), x(1, 3), **chosen)
    for reduction in _REDUCTIONS[2:]:
        yield form(x(5), v([1, 1, 3, 1]), x(4), reduction=reduction)
        yield form(x(5), v([], "int64"), x(0), reduction=reduction)


def _scatter_nd() -> Iterator[Form]:
    for reduction in _REDUCTIONS:
        yield form(x(4, 3), v([[0], [2]]), x(2, 3), reduction=reduction)
        yield form(x(4, 3), c([[-1], [2]]), x(2, 3), reduction=reduction)
        yield form(x(4, 3), v([[0, 1], [2, 2]]), x(2), reduction=reduction)
    for reduction in _REDUCTIONS[2:]:
        yield form(x(5), v([[1], [1], [3]]), x(3), reduction=reduction)


def _unique() -> Iterator[Form]:
    for axis in (None, 0, 1):
        for chosen in every(sorted=(None, 0)):
            yield form(x(4, 2, fill="ties"), axis=axis, outputs=4, **chosen)


def _suppression() -> Iterator[Form]:
    boxes = [[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1]]]
    scores = [[[0.9, 0.75, 0.6, 0.95]]]
    for center in (None, 1):
        for most, overlap, least in ((0, 0.5, 0.0), (3, 0.5, 0.0), (3, 0.5, 0.7), (1, 0.0, 0.0)):
            limits = (c([most], "int64"), c([overlap], "float32"), c([least], "float32"))
            yield form(v(boxes), v(scores), *limits, center_point_box=center)
    yield form(v(boxes), v(scores))


FORMS: dict[str, tuple[Form, ...]] = {
    "Compress": (
        form(x(3, 2), v([True, False, True]), axis=0),
        form(x(3, 2), v([False, True]), axis=1),
        form(x(3, 2), v([False, True]), axis=-1),
        form(x(3, 2), v([True, False, True, False])),
        form(x(3, 2), c([True, False, True]), axis=0),
        form(x(3, 2), v([False, False, False]), axis=0),
    ),
    "Gather": tuple(_gather()),
    "GatherElements": tuple(_gather_elements()),
    "GatherND": tuple(_gather_nd()),
    "NonMaxSuppression": tuple(_suppression()),
    "NonZero": (form(x(2, 3)), form(x(4, fill="ties")), form(x())),
    "Scatter": tuple(
        form(x(3, 3), v([[0, 1, 2], [2, 0, 0]]), x(2, 3), axis=axis) for axis in (None, 1, -1)
    ),
    "ScatterElements": tuple(_scatter_elements()),
    "ScatterND": tuple(_scatter_nd()),
    "TensorScatter": tuple(
        form(x(2, 4, 3), x(2, 1, 3), v([1, 3], "int64"), axis=axis, mode=mode)
        for axis in (None, 1)
        for mode in (None, "linear", "circular")
    ),
    "Unique": tuple(_unique()),
}
