"""Operators that look along axes: sums, extremes, orders, and what normalises along them."""

from collections.abc import Iterator

from tests.support.operators.forms.shorthand import c, every, form, v, x
from tests.support.operators.schemas import Form

_REDUCE = """
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare
"""
#: Shapes with axes in them.
_ALONG = (
    ((2, 3, 4), (0,)),
    ((2, 3, 4), (1,)),
    ((2, 3, 4), (-1,)),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (-1, 0)),
    ((2, 3, 4), (0, 1, 2)),
    ((1, 3, 1), (0,)),
    ((1, 3, 1), (1, 2)),
    ((5,), (0,)),
    ((2, 1, 3, 2), (2, 3)),
    ((2, 3, 2, 1, 2), (1, 4)),
)


def _reduce() -> Iterator[Form]:
    for keepdims in (None, 0):
        yield form(x(2, 3, 4), keepdims=keepdims)
        yield form(x(5), keepdims=keepdims)
        yield form(x(), keepdims=keepdims)
        for shape, axes in _ALONG:
            yield form(x(*shape), axes=axes, keepdims=keepdims)
            yield form(x(*shape), c(axes), keepdims=keepdims)
        yield form(x(2, 3, 4), v([1]), keepdims=keepdims)
        yield form(x(2, 0, 3), axes=(1,), keepdims=keepdims)
        yield form(x(2, 0, 3), c([1], "int64"), keepdims=keepdims)
    for noop in (0, 1):
        yield form(x(2, 3), noop_with_empty_axes=noop)
        yield form(x(2, 3), c([], "int64"), noop_with_empty_axes=noop)
    yield form(x(2, 3, 4, fill="positive"))


def _argument() -> Iterator[Form]:
    for shape, axis in (((2, 3, 4), None), ((2, 3, 4), 1), ((2, 3, 4), -1), ((5,), 0), ((1, 3), 0)):
        for chosen in every(keepdims=(None, 0), select_last_index=(None, 1)):
            yield form(x(*shape), axis=axis, **chosen)
            yield form(x(*shape, fill="ties"), axis=axis, **chosen)


def _normalised() -> Iterator[Form]:
    shapes = ((2, 3, 4), (3, 4), (5,), (1, 3, 1, 1), (1, 4, 2, 3), (2, 3, 1), (1, 1, 6), (2, 0, 3))
    for shape in shapes:
        yield form(x(*shape))
        for axis in range(-len(shape), len(shape)):
            yield form(x(*shape), axis=axis)
            yield form(x(*shape, fill="ties"), axis=axis)


def _cumulative() -> Iterator[Form]:
    for chosen in every(exclusive=(None, 1), reverse=(None, 1)):
        for shape, axis in (((2, 3, 4), 0), ((2, 3, 4), 1), ((2, 3, 4), -1), ((5,), 0), ((1,), 0)):
            yield form(x(*shape), c(axis), **chosen)
        yield form(x(2, 3), v(1), **chosen)
        yield form(x(0, 3), c(1), **chosen)


def _top() -> Iterator[Form]:
    for fill in ("any", "ties"):
        yield form(x(2, 5, fill=fill), k=3, outputs=2)
        yield form(x(2, 5, fill=fill), k=2, axis=0, outputs=2)
        for chosen in every(axis=(None, 0, -2), largest=(None, 0)):
            yield form(x(4, 5, fill=fill), c([3]), outputs=2, **chosen)
            yield form(x(4, 5, fill=fill), c([1]), outputs=2, **chosen)
        yield form(x(4, 5, fill=fill), c([4]), axis=0, sorted=1, outputs=2)
        yield form(x(4, 5, fill=fill), v([2]), outputs=2)
        yield form(x(6, fill=fill), c([6]), outputs=2)


def _lp() -> Iterator[Form]:
    for shape in ((2, 3, 4), (5,)):
        for chosen in every(axis=(None, 0, -1), p=(None, 1)):
            yield form(x(*shape), **chosen)


FORMS: dict[str, tuple[Form, ...]] = {
    **{op: tuple(_reduce()) for op in _REDUCE.split()},
    **{op: tuple(_argument()) for op in ("ArgMax", "ArgMin")},
    **{op: tuple(_normalised()) for op in ("Hardmax", "LogSoftmax", "Softmax")},
    **{op: tuple(_cumulative()) for op in ("CumProd", "CumSum")},
    "LpNormalization": tuple(_lp()),
    "MeanVarianceNormalization": (
        form(x(2, 3, 4, 2)),
        form(x(2, 3, 4, 2), axes=(0, 1, 2, 3)),
        form(x(2, 3, 4, 2), axes=(2, 3)),
        form(x(2, 3, 4, 2), axes=(-1,)),
        form(x(2, 3, 4), axes=(1,)),
    ),
    "TopK": tuple(_top()),
}
