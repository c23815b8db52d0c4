"""How far two arrays of numbers are apart."""

import numpy as np

from stagecut.compiler.ir.device import Tensor


def apart(found: Tensor, wanted: Tensor) -> tuple[float, float]:
    """The largest difference of two arrays of one shape, and the largest finite number that is
    wanted; both 0 where there is none.

    A NaN or an infinity is right where it is wanted, and infinitely far off elsewhere.
    """
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(same, 0.0, np.abs(a - b))
    most = float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(initial=0.0))
    return most, float(np.abs(b[np.isfinite(b)]).max(initial=0.0))
