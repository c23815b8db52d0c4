"""Products, convolutions, pools and normalisations."""

from collections.abc import Iterator, Mapping

from tests.support.operators.case import Attribute
from tests.support.operators.forms.shorthand import c, every, form, v, w, x
from tests.support.operators.schemas import Form

_AUTO = ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")
#: Ways in which windows move.
_MOVES: tuple[Mapping[str, Attribute | None], ...] = (
    {},
    {"strides": (2, 2)},
    {"strides": (2, 1), "pads": (1, 1, 1, 1)},
    {"pads": (1, 0, 2, 1)},
    {"dilations": (2, 2)},
    {"dilations": (2, 1), "strides": (1, 2), "pads": (1, 1, 0, 1)},
    *every(auto_pad=_AUTO, strides=((2, 2), (1, 1))),
)


def _conv() -> Iterator[Form]:
    for move in _MOVES:
        yield form(x(1, 2, 6, 7), w(4, 2, 3, 3), **move)
        yield form(x(2, 4, 6, 7), w(4, 1, 3, 2), w(4), group=4, **move)
    yield form(x(1, 2, 6, 7), x(3, 2, 3, 3), x(3))
    yield form(x(1, 4, 6, 6), w(6, 2, 3, 3), w(6), group=2, kernel_shape=(3, 3))
    yield form(x(1, 4, 6, 6), x(6, 2, 3, 3), group=2)
    yield form(x(1, 3, 5, 5), w(4, 3, 1, 1))
    yield form(x(1, 2, 3, 2), w(2, 2, 2, 1), w(2), pads=(0, 0, 0, 1), strides=(2, 1))
    for pads in ((0, 0), (1, 2)):
        yield form(x(1, 2, 7), w(3, 2, 3), w(3), pads=pads)
        yield form(x(1, 2, 7), w(3, 2, 2), pads=pads, strides=(2,), dilations=(2,))
    yield form(x(1, 2, 3, 4, 5), w(3, 2, 2, 2, 3), pads=(1, 0, 1, 0, 1, 1))
    yield form(x(0, 2, 6, 7), w(4, 2, 3, 3))


def _conv_transpose() -> Iterator[Form]:
    for move in _MOVES:
        yield form(x(1, 2, 4, 5), w(2, 3, 3, 3), **move)
        yield form(x(2, 4, 4, 5), w(4, 2, 3, 2), w(4), group=2, **move)
    for chosen in every(strides=((2, 2), (3, 2)), output_padding=((1, 1), (1, 0))):
        yield form(x(1, 2, 4, 5), w(2, 3, 3, 3), **chosen)
        yield form(x(1, 2, 4, 5), w(2, 3, 3, 3), pads=(1, 1, 1, 1), **chosen)
    for mode in (None, *_AUTO):
        for sizes in ((10, 8), (9, 11)):
            yield form(
                x(1, 2, 3, 3), w(2, 2, 3, 3), output_shape=sizes, strides=(3, 2), auto_pad=mode
            )
    yield form(x(1, 2, 4), w(2, 3, 3), w(3), strides=(2,))
    yield form(x(1, 2, 4, 5), x(2, 3, 3, 3))
    yield form(x(1, 2, 3, 3, 3), w(2, 2, 2, 2, 2), strides=(2, 2, 2))


def _windows(**more: Attribute | None) -> Iterator[Form]:
    for ceil in (None, 1):
        for move in _MOVES:
            yield form(x(2, 2, 6, 7), kernel_shape=(3, 2), ceil_mode=ceil, **move, **more)
        for size in (5, 6, 7, 8):  # the last window may begin in the padding
            for pads in ((0, 0), (1, 1), (0, 1)):
                for stride in (2, 3):
                    yield form(
                        x(1, 1, size),
                        kernel_shape=(3,),
                        strides=(stride,),
                        pads=pads,
                        ceil_mode=ceil,
                        **more,
                    )
        yield form(x(1, 1, 2), kernel_shape=(1,), strides=(2,), ceil_mode=ceil, **more)
        yield form(
            x(1, 2, 4, 5, 4), kernel_shape=(2, 3, 2), strides=(2, 2, 1), ceil_mode=ceil, **more
        )
        yield form(
            x(1, 1, 4, 4),
            kernel_shape=(3, 3),
            strides=(2, 2),
            pads=(0, 0, 1, 1),
            ceil_mode=ceil,
            **more,
        )


def _max_pool() -> Iterator[Form]:
    yield from _windows()
    for order in (None, 1):
        yield form(
            x(1, 2, 4, 4), kernel_shape=(2, 2), strides=(2, 2), storage_order=order, outputs=2
        )
        yield form(
            x(2, 2, 5, 4), kernel_shape=(3, 2), pads=(1, 0, 1, 0), storage_order=order, outputs=2
        )
    yield form(x(1, 1, 6, fill="ties"), kernel_shape=(3,), outputs=2)


def _average_pool() -> Iterator[Form]:
    for counts in (None, 1):
        yield from _windows(count_include_pad=counts)


def _lp_pool() -> Iterator[Form]:
    for p in (None, 1, 3):
        for move in _MOVES:
            yield form(x(2, 2, 6, 7), kernel_shape=(3, 2), p=p, **move)
    yield form(x(1, 1, 7), kernel_shape=(3,), strides=(2,), ceil_mode=1)
    yield form(x(2, 2, 6, 7), kernel_shape=(3, 2), p=2.0)  # opset 1


def _batch_normalization() -> Iterator[Form]:
    for shape in ((2, 3, 4, 2), (2, 3), (2, 3, 4), (1, 3, 2, 2, 2), (0, 3, 2)):
        rows = (w(3), w(3), w(3), w(3, fill="positive"))
        fed = (x(3), x(3), x(3), x(3, fill="positive"))
        for old in (None, 1):  # before opset 7
            yield form(x(*shape), *rows, is_test=old)
            yield form(x(*shape), *rows, is_test=old, consumed_inputs=(0, 0, 0, 1, 1))
        yield form(x(*shape), *rows, epsilon=0.1)
        yield form(x(*shape), *fed)
        yield form(x(*shape), *rows, momentum=0.5)
        yield form(x(*shape), *rows, training_mode=0)
        yield form(x(*shape), *rows, training_mode=1, outputs=3)
        yield form(x(*shape), *rows, training_mode=1)
    whole = (w(3, 4), w(3, 4), w(3, 4), w(3, 4, fill="positive"))
    yield form(x(2, 3, 4), *whole, spatial=0)
    yield form(x(2, 3, 4), w(3), w(3), w(3), w(3, fill="positive"), spatial=1)


def _layer_normalization() -> Iterator[Form]:
    for axis in (None, 1, 0, -2, 2):
        sizes = (2, 3, 4)[-1 if axis is None else axis :]
        for count in (1, 2, 3):
            yield form(x(2, 3, 4), w(*sizes), w(*sizes), axis=axis, outputs=count)
        yield form(x(2, 3, 4), x(*sizes), axis=axis, epsilon=0.1)
        yield form(x(2, 3, 4), x(4), axis=axis)
        yield form(x(2, 3, 4), w(*sizes), w(*sizes), axis=axis, stash_type=1)


def _rms() -> Iterator[Form]:
    for axis in (None, 1, 0, -2):
        sizes = (2, 3, 4)[-1 if axis is None else axis :]
        yield form(x(2, 3, 4), w(*sizes), axis=axis)
        yield form(x(2, 3, 4), x(*sizes), axis=axis, epsilon=0.1)
    yield form(x(2, 3, 4), w(1))


def _gemm() -> Iterator[Form]:
    for chosen in every(transA=(None, 1), transB=(None, 1)):
        one = (3, 2) if chosen["transA"] else (2, 3)
        other = (4, 3) if chosen["transB"] else (3, 4)
        yield form(x(*one), w(*other), w(4), broadcast=1, **chosen)  # before opset 7
        for bias in ((4,), (2, 4), (2, 1), (1,), (), (1, 4)):
            yield form(x(*one), w(*other), w(*bias), **chosen)
            yield form(x(*one), x(*other), x(*bias), **chosen)
        yield form(x(*one), w(*other), **chosen)
        yield form(x(*one), w(*other), x(4), alpha=0.5, beta=2.0, **chosen)
        yield form(x(*one), w(*other), x(2, 4), alpha=0.0, beta=0.0, **chosen)
    yield form(x(0, 3), w(3, 4), w(4))


def _matmul() -> Iterator[Form]:
    for one, other in (
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((2, 2, 3), (3, 4)),
        ((2, 2, 3), (2, 3, 4)),
        ((2, 1, 2, 3), (3, 3, 4)),
        ((2, 3), (2, 3, 4)),
        ((1, 1), (1, 1)),
        ((2, 2, 3), (3,)),
        ((3,), (2, 3, 4)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
    ):
        yield form(x(*one), x(*other))
        yield form(x(*one), w(*other))


def _einsum() -> Iterator[Form]:
    for equation, *shapes in (
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("ij,jk", (2, 3), (3, 4)),
        ("ij->ji", (2, 3)),
        ("ij->i", (2, 3)),
        ("ij->", (2, 3)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("...ij,...jk->...ik", (2, 2, 3), (2, 3, 4)),
        ("...ij->...ji", (2, 2, 3)),
        ("bij,bjk->bik", (2, 2, 3), (2, 3, 4)),
        ("i,j->ij", (2,), (3,)),
        ("bhqd,bhkd->bhqk", (1, 2, 3, 4), (1, 2, 5, 4)),
        ("i,i->", (3,), (3,)),
        ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
        ("iji->j", (2, 3, 2)),
        ("ij , jk -> ik", (2, 3), (3, 4)),
        ("ab,cd->abcd", (2, 3), (2, 2)),
        ("ij,ij->ij", (2, 3), (1, 3)),
    ):
        yield form(*(x(*shape) for shape in shapes), equation=equation)


def _dropout() -> Iterator[Form]:
    for count in (1, 2):
        yield form(x(2, 3), outputs=count)
        yield form(x(2, 3), is_test=1, outputs=count)
        yield form(x(2, 3), ratio=0.3, outputs=count)
        yield form(x(2, 3), ratio=0.3, is_test=1, outputs=count)
        yield form(x(2, 3), c(0.4, "float32"), outputs=count)
        yield form(x(2, 3), c(0.4, "float32"), c(False), outputs=count)
        yield form(x(2, 3), c(0.0, "float32"), c(True), outputs=count)
        yield form(x(2, 3), v(0.4, "float32"), v(False), outputs=count)


FORMS: dict[str, tuple[Form, ...]] = {
    "AveragePool": tuple(_average_pool()),
    "BatchNormalization": tuple(_batch_normalization()),
    "Conv": tuple(_conv()),
    "ConvTranspose": tuple(_conv_transpose()),
    "Det": (form(x(3, 3)), form(x(2, 3, 3)), form(x(1, 1))),
    "Dropout": tuple(_dropout()),
    "Einsum": tuple(_einsum()),
    "Gemm": tuple(_gemm()),
    "GlobalAveragePool": (form(x(2, 3, 4, 5)), form(x(2, 3, 4)), form(x(1, 2, 3, 2, 2))),
    "GlobalLpPool": tuple(form(x(2, 3, 4, 5), p=p) for p in (None, 1, 3, 2.0)),
    "GlobalMaxPool": (form(x(2, 3, 4, 5)), form(x(2, 3, 4)), form(x(1, 2, 3, 2, 2))),
    "GroupNormalization": tuple(
        form(x(2, 4, 3, 2), w(4), w(4), num_groups=groups, epsilon=epsilon)
        for groups in (1, 2, 4)
        for epsilon in (None, 0.1)
    ),
    "InstanceNormalization": tuple(
        form(x(*shape), w(3), w(3), epsilon=epsilon)
        for shape in ((2, 3, 4, 5), (2, 3, 4), (1, 3, 2, 2, 2), (1, 3, 1))
        for epsilon in (None, 0.1)
    ),
    "LRN": tuple(
        form(x(2, 5, 3, 2), size=size, **chosen)
        for size in (3, 2, 5)
        for chosen in every(alpha=(None, 0.1), beta=(None, 0.5), bias=(None, 2.0))
    ),
    "LayerNormalization": tuple(_layer_normalization()),
    "LpPool": tuple(_lp_pool()),
    "MatMul": tuple(_matmul()),
    "MaxPool": tuple(_max_pool()),
    "RMSNormalization": tuple(_rms()),
}
