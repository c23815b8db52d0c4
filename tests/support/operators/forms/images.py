"""Operators on images, and on signals: sizes, grids, regions, spectra."""

from collections.abc import Iterator

from tests.support.operators.forms.shorthand import c, every, form, v, w, x
from tests.support.operators.schemas import Form

_WAYS = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
)
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_NO_ROI = c([], "float32")


def _resize() -> Iterator[Form]:
    yield form(x(1, 2, 4, 5), c([1.0, 1.0, 2.0, 0.6], "float32"))
    yield form(x(1, 2, 4, 5), None, c([1.0, 1.0, 2.0, 0.6], "float32"))
    yield form(x(1, 2, 4, 5), None, None, c([1, 2, 7, 3], "int64"))
    for smooth in ("linear", "cubic"):
        yield form(x(1, 2, 4, 5), None, c([1.0, 1.0, 2.0, 0.6], "float32"), mode=smooth)
    image = x(1, 2, 4, 5, dtype="float32")
    scales = c([1.0, 1.0, 2.0, 0.6], "float32")
    sizes = c([1, 2, 7, 3], "int64")
    for old in (None, "nearest", "linear"):  # opset 10
        yield form(image, c([1.0, 1.0, 2.0, 2.0], "float32"), mode=old)
        yield form(image, scales, mode=old)
    for way in (None, *_WAYS):
        for mode in ("nearest", "linear", "cubic"):
            nearest = _NEAREST if mode == "nearest" else (None,)
            for chosen in every(
                coordinate_transformation_mode=(way,), mode=(mode,), nearest_mode=nearest
            ):
                for some in (scales, c([1.0, 1.0, 2.0, 2.0], "float32")):
                    yield form(image, _NO_ROI, some, **chosen)
                    yield form(image, None, some, **chosen)
                yield form(image, _NO_ROI, c([], "float32"), sizes, **chosen)
                yield form(image, None, None, sizes, **chosen)
    for chosen in every(
        mode=("linear", "cubic"),
        antialias=(None, 1),
        exclude_outside=(None, 1),
        cubic_coeff_a=(None, -0.5),
    ):
        for some in (scales, c([1.0, 1.0, 0.5, 0.4], "float32")):
            yield form(image, None, some, **chosen)
        yield form(image, None, None, c([1, 2, 2, 3], "int64"), **chosen)
    for policy in ("stretch", "not_larger", "not_smaller"):
        yield form(
            image, None, None, c([7, 3], "int64"), axes=(2, 3), keep_aspect_ratio_policy=policy
        )
    for mode in ("nearest", "linear", "cubic"):
        yield form(image, None, c([2.0, 0.6], "float32"), axes=(2, 3), mode=mode)
        yield form(image, None, c([2.0, 0.6], "float32"), axes=(3, 2), mode=mode)
        yield form(image, None, c([2.0, 0.6], "float32"), axes=(-2, -1), mode=mode)
        yield form(image, None, v([1.0, 1.0, 2.0, 2.0], "float32"), mode=mode)
        yield form(image, None, None, v([1, 2, 8, 3], "int64"), mode=mode)
        yield form(x(4), None, c([2.0], "float32"), mode=mode)
        yield form(x(1, 2, 4), None, c([1.0, 1.0, 1.5], "float32"), mode=mode)
        yield form(x(1, 1, 1, 1), None, c([1.0, 1.0, 3.0, 2.0], "float32"), mode=mode)
        yield form(x(1, 4, 5, 2), None, c([1.0, 2.0, 2.0, 1.0], "float32"), mode=mode)
        yield form(x(1, 1, 2, 3, 4), None, c([1.0, 1.0, 2.0, 2.0, 1.5], "float32"), mode=mode)
        yield form(x(2, 3), None, c([2.0, 2.0], "float32"), mode=mode)
        yield form(
            image,
            c([0.0, 0.0, 0.1, 0.2, 1.0, 1.0, 0.9, 0.8], "float32"),
            None,
            sizes,
            mode=mode,
            coordinate_transformation_mode="tf_crop_and_resize",
            extrapolation_value=5.0,
        )


def _upsample() -> Iterator[Form]:
    for mode in (None, "nearest", "linear"):
        for scales in ((1.0, 1.0, 2.0, 2.0), (1.0, 1.0, 2.0, 1.5), (1.0, 1.0, 1.0, 1.0)):
            yield form(x(1, 2, 3, 4), scales=scales, mode=mode)
            yield form(x(1, 2, 3, 4), c(scales, "float32"), mode=mode)
        yield form(x(1, 2, 3, 4), height_scale=2.0, width_scale=3.0, mode=mode)
    yield form(x(1, 2, 3, 4), height_scale=2.0, width_scale=3.0, mode="bilinear")


def _grid_sample() -> Iterator[Form]:
    for mode in (None, "bilinear", "nearest", "bicubic", "linear", "cubic"):
        for chosen in every(
            padding_mode=(None, "zeros", "border", "reflection"), align_corners=(None, 1)
        ):
            yield form(x(1, 2, 4, 5), x(1, 3, 2, 2, fill="unit"), mode=mode, **chosen)
            yield form(x(1, 1, 3, 4), v([[[[-1.5, -1.2], [1.3, 2.0]]]]), mode=mode, **chosen)
    yield form(x(1, 2, 3, 3, 3), x(1, 2, 2, 2, 3, fill="unit"))


def _roi_align() -> Iterator[Form]:
    boxes = v([[0.0, 0.0, 4.0, 3.0], [1.2, 0.6, 3.4, 4.9], [-1.0, -1.0, 6.0, 7.0]])
    for mode in (None, "max"):
        for ratio in (None, 2):
            for way in (None, "half_pixel", "output_half_pixel"):
                yield form(
                    x(2, 2, 5, 6),
                    boxes,
                    v([0, 1, 0], "int64"),
                    mode=mode,
                    sampling_ratio=ratio,
                    coordinate_transformation_mode=way,
                    output_height=2,
                    output_width=3,
                )
    yield form(x(1, 1, 5, 6), boxes, c([0, 0, 0], "int64"), spatial_scale=0.5)


def _deform() -> Iterator[Form]:
    yield form(x(1, 2, 5, 5), w(3, 2, 2, 2), x(1, 8, 4, 4))
    yield form(x(1, 2, 5, 5), w(3, 2, 2, 2), x(1, 8, 4, 4), w(3), x(1, 4, 4, 4))
    yield form(x(1, 2, 5, 5), w(3, 2, 2, 2), x(1, 16, 4, 4), offset_group=2)
    yield form(x(1, 2, 5, 5), w(2, 1, 2, 2), x(1, 8, 4, 4), group=2)
    yield form(x(1, 2, 5, 5), w(3, 2, 2, 2), x(1, 8, 3, 3), pads=(1, 1, 1, 1), strides=(2, 2))


def _fourier() -> Iterator[Form]:
    for axis in (None, 1, -2):
        for chosen in every(inverse=(None, 1), onesided=(None, 1)):
            yield form(x(2, 6, 1), axis=axis, **chosen)
            yield form(x(2, 6, 2), axis=axis, **chosen)
    for chosen in every(inverse=(None, 1), onesided=(None, 1)):
        yield form(x(2, 6, 1), None, c(1, "int64"), **chosen)
        yield form(x(2, 6, 2), c(4, "int64"), c(1, "int64"), **chosen)
        yield form(x(2, 6, 1), c(8, "int64"), **chosen)


def _short_fourier() -> Iterator[Form]:
    for onesided in (None, 0):
        yield form(x(1, 12, 1), c(2, "int64"), w(4), c(4, "int64"), onesided=onesided)
        yield form(x(2, 12, 1), c(3, "int64"), None, c(4, "int64"), onesided=onesided)
        yield form(x(1, 12, 1), c(4, "int64"), w(6), onesided=onesided)


def _windows() -> Iterator[Form]:
    for periodic in (None, 0):
        for size in (6, 1, 7):
            yield form(c(size), periodic=periodic)
            yield form(v(size), periodic=periodic)


_THETA = w(1, 2, 3)

FORMS: dict[str, tuple[Form, ...]] = {
    **{op: tuple(_windows()) for op in ("BlackmanWindow", "HammingWindow", "HannWindow")},
    "AffineGrid": tuple(
        form(theta, c([1, 2, 3, 4], "int64"), align_corners=corners)
        for theta in (x(1, 2, 3), _THETA)
        for corners in (None, 1)
    ),
    "Col2Im": (
        form(x(1, 5, 5), c([5, 5], "int64"), c([1, 5], "int64")),
        form(x(1, 4, 9), c([4, 4], "int64"), c([2, 2], "int64")),
        form(x(1, 4, 4), c([4, 4], "int64"), c([2, 2], "int64"), strides=(2, 2)),
        form(x(1, 4, 25), c([4, 4], "int64"), c([2, 2], "int64"), pads=(1, 1, 1, 1)),
        form(x(1, 4, 4), c([4, 4], "int64"), c([2, 2], "int64"), dilations=(2, 2)),
    ),
    "DFT": tuple(_fourier()),
    "DeformConv": tuple(_deform()),
    "GridSample": tuple(_grid_sample()),
    "MaxRoiPool": (
        form(x(1, 1, 5, 5), v([[0, 0, 0, 3, 3], [0, 1, 1, 4, 4]]), pooled_shape=(2, 2)),
        form(
            x(1, 1, 5, 5),
            v([[0, 0, 0, 6, 6]]),
            pooled_shape=(2, 1),
            spatial_scale=0.5,
        ),
    ),
    "MaxUnpool": (
        form(x(1, 1, 2, 2), v([[[[5, 7], [13, 15]]]]), kernel_shape=(2, 2), strides=(2, 2)),
        form(
            x(1, 1, 2, 2),
            v([[[[5, 7], [13, 15]]]]),
            c([1, 1, 5, 5]),
            kernel_shape=(2, 2),
            strides=(2, 2),
        ),
    ),
    "MelWeightMatrix": (
        form(c(8), c(16), c(8192), c(0.0, "float32"), c(4096.0, "float32")),
        form(v(8), v(16), v(8192), v(0.0, "float32"), v(4096.0, "float32")),
    ),
    "Resize": tuple(_resize()),
    "RoiAlign": tuple(_roi_align()),
    "STFT": tuple(_short_fourier()),
    "Upsample": tuple(_upsample()),
}
