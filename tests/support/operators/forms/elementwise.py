"""Operators that take numbers one by one."""

from collections.abc import Iterator

from tests.support.operators.case import Operand
from tests.support.operators.forms.shorthand import c, every, form, v, w, x
from tests.support.operators.schemas import Form

_SHAPES = ((2, 3, 4), (), (1,), (2, 0, 3), (2, 1, 3, 1, 2))
_UNARY = """
    Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Cos Cosh Erf Exp Floor HardSwish Identity
    IsNaN Log Mish Neg Not Reciprocal Relu Round Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan
    Tanh
"""
_BINARY = """
    Add And BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Mul Or
    Pow StringConcat Sub Xor
"""
_VARIADIC = "Max Mean Min Sum"

_PAIRS = (
    (x(2, 3, 4), x(2, 3, 4)),
    (x(2, 3, 4), x(4)),
    (x(2, 3, 4), w(3, 1)),
    (x(2, 3, 4), w()),
    (x(3, 1), x(4)),
    (x(), x(2)),
    (x(1), x(1)),
    (x(0, 3), x(1, 3)),
)


def _unary(**choices: tuple[float | str | None, ...]) -> Iterator[Form]:
    for attributes in every(**choices):
        yield form(x(2, 3, 4), **attributes)
    yield from (form(x(*shape)) for shape in _SHAPES)


def _binary() -> Iterator[Form]:
    yield from (form(one, other) for one, other in _PAIRS)
    yield form(w(2, 3, 4), x(4))
    for shape, axis in (((4,), None), ((3, 4), 1), ((2,), 0), ((), None)):  # before opset 7
        yield form(x(2, 3, 4), x(*shape), broadcast=1, axis=axis)


def _variadic() -> Iterator[Form]:
    yield from (form(one, other) for one, other in _PAIRS)
    yield form(x(2, 3))
    yield form(x(2, 3), x(3), x(2, 1), w(1))


def _pow() -> Iterator[Form]:
    yield from _binary()
    for exponent in (2, 0, 1, 3):
        yield form(x(2, 3, 4), c(exponent))
        yield form(x(2, 3, 4, dtype="int32"), c(exponent, "float32"))
        yield form(x(2, 3, 4, dtype="float32"), c(exponent, "int64"))
    yield form(x(2, 3, 4), c(-2))
    yield form(x(2, 3, 4), c(0.5))
    yield form(x(2, 3, 4, fill="positive"), x(4))


def _mod() -> Iterator[Form]:
    pairs = ((x(2, 3, 4), v([3, 2, 7, 5])), (x(4), c(3)), (v([-7, 7, -7, 7]), v([3, -3, -3, 3])))
    yield from (form(*pair, fmod=fmod) for pair in pairs for fmod in (None, 1))
    yield form(x(0, 3), v([1, 2, 3]))


def _div() -> Iterator[Form]:
    yield from _binary()
    yield form(v([-7, 7, -7, 7, 6, -1]), v([2, -2, -2, 2, 3, 2]))
    yield form(x(2, 3), c(2))
    yield form(x(2, 3), c(3))


def _shift() -> Iterator[Form]:
    for direction in ("LEFT", "RIGHT"):
        yield form(x(2, 3), v([[0, 1, 2], [3, 7, 4]]), direction=direction)
        yield form(x(2, 3), c(1), direction=direction)


def _prelu() -> Iterator[Form]:
    for slope in ((4,), (3, 1), (2, 3, 4), (1,), (), (1, 1, 4)):
        yield form(x(2, 3, 4), x(*slope))
        yield form(x(2, 3, 4), w(*slope))
    yield form(x(2, 3, 4, 5), w(3, 1, 1))
    yield form(x(2, 3, 4, 5), w(3))  # before opset 7: one for each channel


def _clip() -> Iterator[Form]:
    yield form(x(2, 3))
    yield form(x(2, 3), min=-1.0, max=1.0)  # before opset 11
    yield form(x(2, 3), min=0.0)
    yield form(x(2, 3), max=2.0)
    ends: tuple[tuple[Operand | None, ...], ...] = (
        (c(1), c(4)),
        (c(2),),
        (None, c(2)),
        (c(4), c(1)),  # the least above the largest
        (v(1), v(3)),
    )
    yield from (form(x(2, 3), *each) for each in ends)
    yield form(x(0, 3), c(1))


def _where() -> Iterator[Form]:
    for condition in (x(2, 3), x(3), x(2, 1), x(), c([True, False, True])):
        yield form(condition, x(2, 3), x(2, 3))
        yield form(condition, x(2, 3), x())
        yield form(condition, w(1, 3), x(2, 1))
    yield form(x(0, 3), x(0, 3), x(1))


FORMS: dict[str, tuple[Form, ...]] = {
    **{op: tuple(_unary()) for op in _UNARY.split()},
    **{op: tuple(_binary()) for op in _BINARY.split()},
    **{op: tuple(_variadic()) for op in _VARIADIC.split()},
    "Celu": tuple(_unary(alpha=(0.5, 2.0))),
    "Clip": tuple(_clip()),
    "Div": tuple(_div()),
    "BitShift": tuple(_shift()),
    "Elu": tuple(_unary(alpha=(0.5,))),
    "Gelu": tuple(_unary(approximate=("none", "tanh"))),
    "HardSigmoid": tuple(_unary(alpha=(None, 0.3), beta=(None, 0.1))),
    "IsInf": tuple(_unary(detect_negative=(None, 0), detect_positive=(None, 0))),
    "LeakyRelu": tuple(_unary(alpha=(0.3, -0.5, 2.0))),
    "Mod": tuple(_mod()),
    "Pow": tuple(_pow()),
    "PRelu": tuple(_prelu()),
    "Selu": tuple(_unary(alpha=(None, 2.0), gamma=(None, 0.5))),
    "Shrink": tuple(_unary(lambd=(None, 1.5), bias=(None, 0.5))),
    "Swish": tuple(_unary(alpha=(None, 0.5))),
    "ThresholdedRelu": tuple(_unary(alpha=(None, 0.5, -0.5))),
    "Where": tuple(_where()),
}
