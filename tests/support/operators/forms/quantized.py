"""Operators on quantized numbers, and those that make or take them."""

from collections.abc import Iterator

from tests.support.operators.forms.shorthand import c, form, v, w, x
from tests.support.operators.schemas import Form

_KINDS = ("uint8", "int8", "uint16", "int16", "int32")
_SMALL = ("uint8", "int8")


def _quantize() -> Iterator[Form]:
    yield form(x(2, 3, 4), c(0.5, "float32"))
    for kind in _KINDS[:4]:
        for zero in (0, 3):
            yield form(x(2, 3, 4), c(0.5, "float32"), c(zero, kind))
            yield form(x(2, 3, 4), c([0.5], "float32"), c([zero], kind), axis=0)
        for axis in (None, 1, -2, -1, 0):
            size = (2, 3, 4)[1 if axis is None else axis]
            scale, zeros = w(size, fill="positive", dtype="float32"), w(size, dtype=kind)
            yield form(x(2, 3, 4), scale, zeros, axis=axis)
        yield form(x(2, 3), x(fill="positive", dtype="float32"), x(dtype=kind))
        halves = v([0.25, 0.75, 1.25, -0.25, -0.75, 1000.0, -1000.0])
        yield form(halves, c(0.5, "float32"), c(1, kind))
        yield form(
            x(2, 4), w(2, 2, fill="positive", dtype="float32"), w(2, 2, dtype=kind), block_size=2
        )


def _dequantize() -> Iterator[Form]:
    for kind in _KINDS:
        yield form(x(2, 3, 4, dtype=kind), c(0.5, "float32"))
        for zero in (0, 3):
            yield form(x(2, 3, 4, dtype=kind), c(0.5, "float32"), c(zero, kind))
            yield form(x(2, 3, 4, dtype=kind), c([0.5], "float32"), c([zero], kind), axis=0)
        for axis in (None, 1, -2, -1, 0):
            size = (2, 3, 4)[1 if axis is None else axis]
            scale, zeros = w(size, fill="positive", dtype="float32"), w(size, dtype=kind)
            yield form(x(2, 3, 4, dtype=kind), scale, zeros, axis=axis)
            yield form(w(2, 3, 4, dtype=kind), scale, zeros, axis=axis)
        yield form(x(2, 3, dtype=kind), x(fill="positive", dtype="float32"), x(dtype=kind))
        yield form(
            x(2, 4, dtype=kind),
            w(2, 2, fill="positive", dtype="float32"),
            w(2, 2, dtype=kind),
            block_size=2,
        )


def _products() -> Iterator[Form]:
    for one in _SMALL:
        for other in _SMALL:
            yield form(x(2, 3, dtype=one), x(3, 4, dtype=other))
            yield form(x(2, 3, dtype=one), w(3, 4, dtype=other))
            yield form(x(1, 900, dtype=one), x(900, 2, dtype=other))  # beyond 24 bits
            yield form(x(2, 3, dtype=one), w(3, 4, dtype=other), c(2, one), c(1, other))
            yield form(x(2, 3, dtype=one), w(3, 4, dtype=other), c(2, one), c([1, 2, 3, 4], other))
            yield form(x(2, 2, 3, dtype=one), x(3, 4, dtype=other), x(dtype=one), x(dtype=other))


def _convolutions() -> Iterator[Form]:
    for one in _SMALL:
        for other in _SMALL:
            image, kernel = x(1, 2, 4, 4, dtype=one), w(3, 2, 2, 2, dtype=other)
            yield form(image, kernel)
            yield form(image, kernel, c(2, one))
            yield form(image, kernel, c(2, one), c(1, other))
            yield form(image, kernel, c(2, one), pads=(1, 1, 1, 1))


def _scaled_products() -> Iterator[Form]:
    for kind in _SMALL:
        for zero in (0, 2):
            yield form(
                x(2, 3, dtype=kind),
                c(0.1, "float32"),
                c(zero, kind),
                w(3, 4, dtype=kind),
                c(0.2, "float32"),
                c(zero, kind),
                c(0.5, "float32"),
                c(1, kind),
            )


def _scaled_convolutions() -> Iterator[Form]:
    for kind in _SMALL:
        for bias in ((), (w(3, dtype="int32"),)):
            yield form(
                x(1, 2, 4, 4, dtype=kind),
                c(0.1, "float32"),
                c(2, kind),
                w(3, 2, 2, 2, dtype=kind),
                c(0.2, "float32"),
                c(0, kind),
                c(0.5, "float32"),
                c(1, kind),
                *bias,
            )


FORMS: dict[str, tuple[Form, ...]] = {
    "ConvInteger": tuple(_convolutions()),
    "DequantizeLinear": tuple(_dequantize()),
    "DynamicQuantizeLinear": (
        form(x(2, 3), outputs=3),
        form(v([-1.3, 0.4, 2.2, 0.9], "float32"), outputs=3),
        form(v([1.3, 0.4, 2.2, 0.9], "float32"), outputs=3),
    ),
    "MatMulInteger": tuple(_products()),
    "QLinearConv": tuple(_scaled_convolutions()),
    "QLinearMatMul": tuple(_scaled_products()),
    "QuantizeLinear": tuple(_quantize()),
}
