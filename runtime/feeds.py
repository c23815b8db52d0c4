"""Random inputs for a plan, in the ranges of the inputs it was profiled with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.plan import InputPort
from stagecut.compiler.measure.memory import check_room


def random_feeds(
    inputs: Sequence[InputPort],
    seed: int,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> dict[str, Tensor]:
    """One array for each input; the same seed gives the same arrays.

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
        if dim != "?"
    }
    return {
        port.name: _random(replace(port, shape=_shape(port, asked, sizes)), generator)
        for port in inputs
    }


def _shape(
    port: InputPort, shapes: Mapping[str, tuple[int, ...]], sizes: Mapping[int | str, int]
) -> tuple[int, ...]:
    if port.name in shapes:
        return shapes[port.name]
    dims = port.dims or port.shape
    return tuple(sizes.get(dim, size) for dim, size in zip(dims, port.shape, strict=True))


def _random(port: InputPort, generator: np.random.Generator) -> Tensor:
    check_room(math.prod(port.shape) * 8, f"input {port.name}")  # numbers are made as doubles
    if port.dtype == "string":
        return np.full(port.shape, "", dtype=object)
    dtype = np.dtype(port.dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, port.shape).astype(bool)
    if dtype.kind in "iu":
        return generator.integers(int(port.low), int(port.high) + 1, port.shape).astype(dtype)
    return generator.uniform(port.low, port.high, port.shape).astype(dtype)
