"""OpenVINO's own object, and how it says what it cannot do."""

from collections.abc import Sequence
from functools import cache

import openvino as ov


@cache
def core() -> ov.Core:
    """Finding the plugins takes a while, and one object serves all stages."""
    return ov.Core()


def capabilities() -> tuple[str, ...]:
    """What the CPU computes in, by OpenVINO's names: FP32, BF16, ..."""
    return tuple(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def misshapen(output: ov.Output, name: str, shape: Sequence[int]) -> str:
    """What is wrong where OpenVINO gives an output another shape; empty where it does not."""
    inferred = output.get_partial_shape()
    if inferred.is_dynamic or list(inferred.to_shape()) != list(shape):
        return f"OpenVINO makes {name} {inferred}, not {list(shape)}"
    return ""


def last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
