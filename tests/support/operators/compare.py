"""How two answers differ, in words."""

from collections.abc import Sequence

import numpy as np

from stagecut.compiler.ir.device import Tensor

#: How far off a result may be, as a fraction of its largest finite number, by the type computed in.
TOLERANCES = {"float64": 1e-6, "float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}


def difference(found: Sequence[Tensor], right: Sequence[Tensor], tolerance: float) -> str:
    """Empty where each array has the right type and shape, and the right numbers: integers, text,
    infinities and NaNs exactly, others to within `tolerance`."""
    if len(found) != len(right):
        return f"{len(found)} results instead of {len(right)}"
    for at, (one, other) in enumerate(zip(found, right, strict=True)):
        told = _one(one, other, tolerance)
        if told:
            return f"result {at}: {told}" if len(right) > 1 else told
    return ""


def _one(found: Tensor, right: Tensor, tolerance: float) -> str:
    if found.dtype != right.dtype and not {found.dtype.kind, right.dtype.kind} <= set("OUS"):
        return f"type {found.dtype} instead of {right.dtype}"
    if found.shape != right.shape:
        return f"shape {found.shape} instead of {right.shape}"
    if right.dtype.kind in "iubOUS":
        wrong = int(np.sum(found != right))
        return f"{wrong} of {right.size} differ" if wrong else ""
    return _floats(found.astype(np.float64), right.astype(np.float64), tolerance)


def _floats(found: Tensor, right: Tensor, tolerance: float) -> str:
    if (np.isnan(found) != np.isnan(right)).any():
        return "NaN elsewhere"
    endless = np.isinf(right)
    if (np.isinf(found) != endless).any() or (found[endless] != right[endless]).any():
        return "infinite elsewhere"
    finite = np.isfinite(right)
    if not finite.any():
        return ""
    off = np.abs(found[finite] - right[finite]).max()
    largest = np.abs(right[finite]).max()
    if off <= tolerance * largest:
        return ""
    return f"off by {off:.3g} where the largest is {largest:.3g}"
