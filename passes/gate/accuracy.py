"""How far a plan's outputs are from those of the whole model in its own precision."""

from collections.abc import Mapping

import numpy as np

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.plan import OutputError


def output_errors(
    outputs: Mapping[str, Tensor], reference: Mapping[str, Tensor]
) -> tuple[OutputError, ...]:
    """One for each output that holds numbers, in the reference's order."""
    return tuple(
        _error(name, np.asarray(outputs[name]), expected)
        for name, expected in reference.items()
        if expected.dtype.kind in "fiub" and expected.size
    )


def worst(errors: tuple[OutputError, ...]) -> float:
    """The largest relative error; 0 where there is nothing to compare."""
    return max((error.relative for error in errors), default=0.0)


def _error(name: str, found: Tensor, expected: Tensor) -> OutputError:
    """NaNs and infinities are right where the reference has them, too, and wrong elsewhere."""
    a, b = found.astype(np.float64), expected.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(a - b))
    most = float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max())
    largest = float(np.abs(b[np.isfinite(b)]).max(initial=0.0))
    return OutputError(name, most, most / largest if largest else most, _cosine(a, b))


def _cosine(a: Tensor, b: Tensor) -> float | None:
    """Of the angle between the two as vectors; None where one has no direction."""
    finite = np.isfinite(a) & np.isfinite(b)
    lengths = float(np.linalg.norm(a[finite]) * np.linalg.norm(b[finite]))
    return float(a[finite] @ b[finite]) / lengths if lengths else None
