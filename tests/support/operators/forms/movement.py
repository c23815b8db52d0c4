"""Operators that move numbers, or change their shape or their type."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import onnx

from tests.support.operators.case import Operand
from tests.support.operators.forms.shorthand import c, every, form, v, w, x
from tests.support.operators.schemas import Form

_T = onnx.TensorProto
_CAST_TO = (
    *(_T.FLOAT, _T.UINT8, _T.INT8, _T.UINT16, _T.INT16, _T.INT32, _T.INT64, _T.BOOL, _T.FLOAT16),
    *(_T.DOUBLE, _T.UINT32, _T.UINT64, _T.BFLOAT16, _T.STRING),
)


def _cast() -> Iterator[Form]:
    for to in _CAST_TO:
        yield form(x(2, 3, 4), to=to)
        yield form(x(2, 3, 4), to=_T.DataType.Name(to))  # opset 1
        yield form(x(), to=to)
    yield form(x(0, 3), to=_T.INT32)
    yield form(v([0.5, 1.5, 2.5, -0.5, -1.5, -2.9, 2.9]), to=_T.INT32)
    yield form(v([0.5, 1.5, 0.0, -0.0, 0.1]), to=_T.BOOL)


def _reshape() -> Iterator[Form]:
    targets = ((6, 4), (2, -1), (0, -1), (24,), (0, 0, 2, 2), (1, 2, 3, 4), (-1,), (4, 3, 2))
    for target in targets:
        yield form(x(2, 3, 4), shape=target)
        yield form(x(2, 3, 4), c(target))
    yield form(x(2, 3, 4), v([4, 6]))
    yield form(x(1), c([], "int64"))
    yield form(x(), c([1, 1]))
    yield form(x(2, 0, 3), c([0, 3, 2]), allowzero=1)
    yield form(x(2, 0, 3), c([2, 0, 0]))
    yield form(x(2, 3), c([3, 2]), allowzero=1)


def _transpose() -> Iterator[Form]:
    yield form(x(2, 3, 4))
    yield from (form(x(2, 3, 4), perm=order) for order in permutations(range(3)))
    yield form(x(2, 3, 1, 4), perm=(0, 2, 3, 1))
    yield form(x(2, 3, 1, 4, 2), perm=(4, 0, 3, 1, 2))
    yield form(x(3))
    yield form(x())
    yield form(x(0, 3))


def _squeeze() -> Iterator[Form]:
    yield form(x(1, 3, 1, 2))
    for axes in ((0,), (2,), (0, 2), (-2,), (2, 0), (-4, 2)):
        yield form(x(1, 3, 1, 2), axes=axes)
        yield form(x(1, 3, 1, 2), c(axes))
    yield form(x(1, 3), v([0]))
    yield form(x(1, 1))
    yield form(x(3, 2))
    yield form(x(1, 0), c([0]))


def _unsqueeze() -> Iterator[Form]:
    for axes in ((0,), (2,), (0, 3), (-1,), (3, 0), (-3, 1), (1, 2)):
        yield form(x(2, 3), axes=axes)
        yield form(x(2, 3), c(axes))
    yield form(x(), c([0]))
    yield form(x(), axes=(0, 1))
    yield form(x(2), v([0]))
    yield form(x(0, 2), c([1]))


def _concat() -> Iterator[Form]:
    yield form(x(2, 3), x(2, 3))  # opset 1, whose axis is 1
    yield form(x(2, 3), x(4, 3), axis=0)
    for axis in (1, -1, -2):
        yield form(x(2, 3, 2), x(2, 3, 2), w(2, 3, 2), axis=axis)
    yield form(x(2, 3), axis=1)
    yield form(x(2, 0), x(2, 3), axis=1)
    yield form(x(2, 3), x(0, 3), axis=0)


def _split() -> Iterator[Form]:
    for axis in (None, 1, -1):
        for parts in ((2, 4), (1, 2, 3), (6,)):
            yield form(x(6, 6), axis=axis, split=parts, outputs=len(parts))
            yield form(x(6, 6), c(parts), axis=axis, outputs=len(parts))
        yield form(x(6, 6), axis=axis, outputs=3)
        yield form(x(6, 6), axis=axis, num_outputs=3, outputs=3)
        yield form(x(7, 7), axis=axis, num_outputs=3, outputs=3)  # the last is shorter
        yield form(x(6, 6), c([0, 6]), axis=axis, outputs=2)
    yield form(x(6), v([2, 4]), outputs=2)


def _slice() -> Iterator[Form]:
    yield form(x(4, 5), starts=(1, 0), ends=(3, 4))
    yield form(x(4, 5), starts=(-3,), ends=(-1,), axes=(1,))
    yield form(x(4, 5), starts=(0,), ends=(2**31,), axes=(0,))
    yield form(x(4, 5), starts=(3,), ends=(3,), axes=(1,))
    settings: tuple[tuple[Operand, ...], ...] = (
        (c([1, 0]), c([3, 4])),
        (c([-3]), c([-1]), c([1])),
        (c([-3]), c([-1]), c([-1])),
        (c([0]), c([1000]), c([0])),
        (c([0], "int64"), c([2**63 - 1]), c([1], "int64")),
        (c([0]), c([5]), c([1]), c([2])),
        (c([4]), c([0]), c([1]), c([-1])),
        (c([-1]), c([-1000]), c([1]), c([-2])),
        (c([3, 4]), c([-1000, -1000]), c([0, 1]), c([-1, -1])),
        (c([-1], "int64"), c([-(2**63)]), c([0], "int64"), c([-1], "int64")),
        (c([3]), c([1]), c([0])),
        (c([1000]), c([2000]), c([0])),
        (v([1]), v([3]), v([0])),
        (v([1]), v([3]), c([0]), c([1])),
        (c([1, 1]), c([3, 4]), c([1, 0])),
    )
    yield from (form(x(4, 5), *each) for each in settings)
    yield form(x(0, 5), c([0]), c([3]), c([1]))


def _expand() -> Iterator[Form]:
    for shape, target in (
        ((3, 1), (3, 4)),
        ((3, 1), (2, 1, 6)),
        ((1,), (3,)),
        ((), (2, 2)),
        ((2, 3), (1,)),
        ((3, 1), (1, 4)),
        ((2, 3), (2, 3)),
    ):
        yield form(x(*shape), c(target))
    yield form(x(3, 1), v([3, 4]))
    yield form(x(3, 1), c([3, 0]))


def _pad() -> Iterator[Form]:
    modes = (None, "reflect", "edge", "wrap")
    for mode in modes:
        for pads in ((0, 1, 0, 2), (1, 0, 1, 0), (0, 0, 0, 0)):
            yield form(x(3, 4), paddings=pads, mode=mode)
            yield form(x(3, 4), pads=pads, mode=mode)
            yield form(x(3, 4), c(pads), mode=mode)
        yield form(x(3, 4), c([1, 2]), None, c([1]), mode=mode)
        yield form(x(3, 4), c([1, 2]), None, c([-1]), mode=mode)
        yield form(x(3, 4), v([0, 1, 0, 2]), mode=mode)
        yield form(x(2, 3, 4, 5), c([0, 0, 1, 2, 0, 0, 2, 1]), mode=mode)
        yield form(x(3, 4), c([0, -1, 0, 2]), mode=mode)
        yield form(x(3, 4), c([-1, 0, 0, -2]), mode=mode)
        yield form(x(3, 4), pads=(-1, 0, 0, -2), mode=mode)
    yield form(x(3, 4), pads=(0, 1, 0, 2), value=2.0)
    yield form(x(3, 4), c([0, 1, 0, 2]), c(3))
    yield form(x(3, 4), c([0, 1, 0, 2]), x())
    yield form(x(3, 4), c([0, 1, 0, 2]), c(3), c([0, 1]))
    yield form(x(3, 4), c([2, 1]), c(3), c([1]))
    yield form(x(0, 4), c([1, 0, 0, 0]))
    yield form(x(3), c([5, 5]), mode="wrap")  # more than there is


def _constant_of_shape() -> Iterator[Form]:
    for shape in (c([2, 3]), c([], "int64"), v([2, 3]), c([0, 2])):
        yield form(shape)
        for dtype in ("float32", "int32", "int64", "uint8", "bool", "float64"):
            yield form(shape, value=np.array([1], dtype))


def _range() -> Iterator[Form]:
    for start, stop, step in ((0, 5, 1), (2, 11, 3), (10, 1, -3), (0, 0, 1), (3, 1, 1)):
        yield form(c(start), c(stop), c(step))
        yield form(v(start), v(stop), v(step))
    yield form(c(0.5), c(3.0), c(0.7))


def _trilu() -> Iterator[Form]:
    for upper in (None, 0):
        yield form(x(3, 4), upper=upper)
        for k in (0, 1, -1, 5, -5):
            yield form(x(2, 4, 3), c(k, "int64"), upper=upper)
        yield form(x(3, 3), v(1, "int64"), upper=upper)


def _one_hot() -> Iterator[Form]:
    for axis in (None, 0, 1, -2):
        for indices in (c([[0, 1], [2, 0]]), v([[0, 1], [2, 0]]), v([[-1, 5], [-3, -4]])):
            yield form(indices, c(3, "int64"), c([0, 1]), axis=axis)
            yield form(indices, c([4], "int64"), c([2, 5]), axis=axis)
    yield form(v([0, 1]), v(3, "int64"), x(2))


def _tile() -> Iterator[Form]:
    yield form(x(2, 3), c(2), c(1))  # opset 1: how often, and along which axis
    for repeats in ([1, 2], [2, 1], [3, 2], [1, 1], [0, 2]):
        yield form(x(2, 3), c(repeats))
    yield form(x(2, 3), v([2, 2]))
    yield form(x(), c([], "int64"))


FORMS: dict[str, tuple[Form, ...]] = {
    "BitCast": tuple(form(x(2, 3), to=to) for to in _CAST_TO[:-1]),
    "Cast": tuple(_cast()),
    "CastLike": tuple(
        form(x(2, 3), w(1, dtype=dtype))
        for dtype in ("float32", "int32", "int64", "bool", "uint8", "float64")
    ),
    "CenterCropPad": (
        form(x(5, 4), c([3, 6])),
        form(x(5, 4), c([2]), axes=(1,)),
        form(x(5, 4), c([7]), axes=(-1,)),
        form(x(5, 4), v([3, 3])),
    ),
    "Concat": tuple(_concat()),
    "ConstantOfShape": tuple(_constant_of_shape()),
    "DepthToSpace": tuple(
        form(x(2, 8, 2, 3), blocksize=2, mode=mode) for mode in (None, "DCR", "CRD")
    ),
    "Expand": tuple(_expand()),
    "EyeLike": tuple(
        form(x(3, 4), **chosen) for chosen in every(k=(None, 1, -1), dtype=(None, 1, 6, 7, 11))
    ),
    "Flatten": tuple(form(x(2, 3, 4), axis=axis) for axis in (None, 0, 1, 2, 3, -1, -2, -3)),
    "OneHot": tuple(_one_hot()),
    "Pad": tuple(_pad()),
    "Range": tuple(_range()),
    "Reshape": tuple(_reshape()),
    "ReverseSequence": tuple(
        form(x(4, 4, 2), v([1, 2, 3, 4]), batch_axis=batch, time_axis=1 - batch) for batch in (0, 1)
    ),
    "Shape": (
        form(x(2, 3, 4)),
        form(x()),
        *(
            form(x(2, 3, 4), **chosen)
            for chosen in every(start=(None, 1, -1, -5), end=(None, 1, -1, 5))
        ),
    ),
    "Size": (form(x(2, 3)), form(x()), form(x(0, 2))),
    "Slice": tuple(_slice()),
    "SpaceToDepth": tuple(
        form(x(2, 2, 4, 6), blocksize=size, mode=mode) for size in (2, 1) for mode in (None, "DCR")
    ),
    "Split": tuple(_split()),
    "Squeeze": tuple(_squeeze()),
    "Tile": tuple(_tile()),
    "Transpose": tuple(_transpose()),
    "Trilu": tuple(_trilu()),
    "Unsqueeze": tuple(_unsqueeze()),
}
