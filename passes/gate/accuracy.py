"""How far a plan's outputs are from those of the whole model in its own precision."""

from collections.abc import Mapping

import numpy as np

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.plan import OutputDifference


def output_differences(
    outputs: Mapping[str, Tensor], reference: Mapping[str, Tensor]
) -> tuple[OutputDifference, ...]:
    """One for each output that holds numbers, in the reference's order."""
    return tuple(
        _difference(name, np.asarray(outputs[name]), expected)
        for name, expected in reference.items()
        if expected.dtype.kind in "fiub" and expected.size
    )


def worst(differences: tuple[OutputDifference, ...]) -> float:
    """The largest relative error; 0 where there is nothing to compare."""
    return max((difference.relative for difference in differences), default=0.0)


def _difference(name: str, output: Tensor, expected: Tensor) -> OutputDifference:
    """NaNs and infinities are right where the reference has them, too, and wrong elsewhere."""
    a, b = output.astype(np.float64), expected.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(a - b))
    most = float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max())
    largest = float(np.abs(b[np.isfinite(b)]).max(initial=0.0))
    return OutputDifference(name, most, most / largest if largest else most, _cosine(a, b))


def _cosine(a: Tensor, b: Tensor) -> float | None:
    """Of the angle between the two as vectors; None where one has no direction."""
    finite = np.isfinite(a) & np.isfinite(b)
    lengths = float(np.linalg.norm(a[finite]) * np.linalg.norm(b[finite]))
    return float(a[finite] @ b[finite]) / lengths if lengths else None
