"""Random inputs for a plan, in the ranges of the inputs it was profiled with."""

from collections.abc import Sequence

import numpy as np

from stagecut.compiler.backend import Tensor
from stagecut.compiler.manifest import InputPort


def random_feeds(inputs: Sequence[InputPort], seed: int) -> dict[str, Tensor]:
    """One array for each input; the same seed gives the same arrays."""
    generator = np.random.default_rng(seed)
    return {port.name: _random(port, generator) for port in inputs}


def _random(port: InputPort, generator: np.random.Generator) -> Tensor:
    if port.dtype == "string":
        return np.full(port.shape, "", dtype=object)
    dtype = np.dtype(port.dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, port.shape).astype(bool)
    if dtype.kind in "iu":
        return generator.integers(int(port.low), int(port.high) + 1, port.shape).astype(dtype)
    return generator.uniform(port.low, port.high, port.shape).astype(dtype)
