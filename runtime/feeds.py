"""Random inputs for a plan, in the ranges of the inputs it was profiled with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from stagecut.compiler.ir.border import CARRIERS
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import FeedError
from stagecut.compiler.ir.graph import ANY_RANK
from stagecut.compiler.ir.port import InputPort
from stagecut.compiler.ir.text import size_text
from stagecut.compiler.measure.memory import check_room

#: The largest numbers that are drawn: profiled ones may be infinite, or too large for an interval.
_WHOLE, _REAL = float(2**62), 1e300


def random_feeds(
    inputs: Sequence[InputPort],
    seed: int,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> dict[str, Tensor]:
    """One array for each input without a default; the same seed gives the same arrays.

    An input that is not in `shapes` gets the shape that it was profiled with, but for open
    dimensions that have the same names as dimensions of inputs that are. Raises ShapeError for an
    array that there is no memory for.
    """
    asked = shapes or {}
    generator = np.random.default_rng(seed)
    sizes = {
        dim: size
        for port in inputs
        for dim, size in zip(port.dims, asked.get(port.name, ()), strict=False)
        if dim not in {"?", *ANY_RANK}
    }
    return {
        port.name: _random(replace(port, shape=_shape(port, asked, sizes)), generator)
        for port in inputs
        if not port.optional
    }


def _shape(
    port: InputPort, shapes: Mapping[str, tuple[int, ...]], sizes: Mapping[int | str, int]
) -> tuple[int, ...]:
    if port.name in shapes:
        return shapes[port.name]
    if port.declared == ANY_RANK:
        return port.shape
    both = zip(port.declared, port.shape, strict=True)
    return tuple(sizes.get(dim, size) for dim, size in both)


def _random(port: InputPort, generator: np.random.Generator) -> Tensor:
    check_room(math.prod(port.shape) * 8, f"input {port.name}")  # numbers are made as doubles
    try:
        return _of_type(port, generator)
    except (MemoryError, ValueError) as error:  # numpy's "array is too big" is a ValueError
        raise FeedError(
            f"an array of {size_text(port.shape)} cannot be made: {error}",
            where=f"input {port.name}",
            fix="ask for a smaller shape",
        ) from error


def _of_type(port: InputPort, generator: np.random.Generator) -> Tensor:
    if port.dtype == "string":
        return np.full(port.shape, "", dtype=object)
    if port.dtype in CARRIERS:
        like = replace(port, dtype=CARRIERS[port.dtype])
        return _random(like, generator).astype(port.dtype)
    dtype = np.dtype(port.dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, port.shape).astype(bool)
    if dtype.kind in "iu":
        first, last = int(_within(port.low, _WHOLE)), int(_within(port.high, _WHOLE))
        return generator.integers(first, last + 1, port.shape).astype(dtype)
    low, high = _within(port.low, _REAL), _within(port.high, _REAL)
    return generator.uniform(low, high, port.shape).astype(dtype)


def _within(end: float, most: float) -> float:
    return 0.0 if math.isnan(end) else min(max(end, -most), most)
