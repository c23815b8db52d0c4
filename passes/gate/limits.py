"""How far off a contender may be: what was asked for, else what its devices' formats explain.

devices                              without a tolerance        with a tolerance X
the model's own precision            a thousandth               X
one of lower precision among them    a twentieth                X
the reference alone                  whatever it computes       X

Without a tolerance, whatever is no float has to be the same.
"""

from collections.abc import Iterable

from stagecut.compiler.ir.machine import Device
from stagecut.passes.gate.accuracy import Limit

_OWN, _LOWER = 1e-3, 0.05

#: By what part of itself a number may be rounded on its way, with something to spare: formats of 24
#: significant bits, and of 8.
_ROUNDING, _LOWER_ROUNDING = 1e-5, 0.01


def limit_of(devices: Iterable[Device], tolerance: float | None) -> Limit:
    """For a plan that runs on `devices`. Inputs far beyond the samples are only asked of those that
    hold what the model's own numbers can be."""
    own = all(device.keeps_precision for device in devices)
    usual = _OWN if own else _LOWER
    return Limit(
        usual if tolerance is None else tolerance,
        asked=tolerance is not None,
        rounding=_ROUNDING if own else _LOWER_ROUNDING,
        stretched=own,
    )
