"""Check the inputs and outputs of a plan: what a session may be fed, and hands back."""

from collections.abc import Iterator, Sequence

import numpy as np

from stagecut.compiler.ir.graph import ANY_RANK
from stagecut.compiler.ir.port import InputPort, Port


def port_problems(inputs: Sequence[InputPort], outputs: Sequence[Port]) -> Iterator[str]:
    """What does not fit, each as a sentence."""
    for kind, names in (
        ("input", [port.name for port in inputs]),
        ("input", [port.inside for port in inputs]),
        ("output", [port.name for port in outputs]),
    ):
        if len(set(names)) < len(names):
            yield f"two {kind}s have one name"
    for port in (*inputs, *outputs):
        yield from (f"{port.name}: {problem}" for problem in _in_port(port))
    for port in inputs:
        if port.low > port.high:
            yield f"{port.name}: its numbers lie between {port.low:g} and {port.high:g}"


def _in_port(port: Port) -> Iterator[str]:
    if not _is_type(port.dtype):
        yield f"there is no type {port.dtype!r}"
    if port.dims == ANY_RANK:
        return
    if port.dims and len(port.dims) != len(port.shape):
        yield f"it has {len(port.dims)} dimensions, and {len(port.shape)} sizes"
    for dim, size in zip(port.dims, port.shape, strict=False):
        if isinstance(dim, int) and dim != size:
            yield f"a dimension of {dim} has {size} elements"


def _is_type(dtype: str) -> bool:
    """Whether it is numpy's name of a type, or "string"."""
    if dtype == "string":
        return True
    try:
        return np.dtype(dtype).name == dtype
    except TypeError:
        return False
