"""How far off a contender may be: what was asked for, else what its devices' formats explain.

devices                              without a tolerance        with a tolerance X
the model's own precision            a thousandth               X
one of lower precision among them,
or a model of 16-bit floats          a twentieth                X
any, of a quantised model, held
against its original                                            X
the reference alone                  whatever it computes       X

With a metric of the user's own, X is what that may lose on held-out samples, for plans of lower
precision, and outputs only have to be numbers where they should be; others are as without X.
Without a tolerance, whatever is no float has to be the same.
"""

import sys
from collections.abc import Iterable

from stagecut.compiler.ir.machine import Device
from stagecut.passes.gate.accuracy import Limit

_OWN, _LOWER = 1e-3, 0.05

#: Whatever is a number, where it should be one.
_FINITE = sys.float_info.max

#: By what part of itself a number may be rounded on its way, with something to spare: formats of 24
#: significant bits, and of 8.
_ROUNDING, _LOWER_ROUNDING = 1e-5, 0.01


def limit_of(
    devices: Iterable[Device],
    tolerance: float | None,
    *,
    narrow: bool = False,
    quantised: bool = False,
    metric: bool = False,
) -> Limit:
    """For a plan that runs on `devices`; `narrow` models have floats of 16 bits or fewer,
    `quantised` ones are held against another one, which they were made from. With a `metric` of the
    user's own, the tolerance is what that may lose.

    Inputs far beyond the samples are only asked about where formats can hold what comes of them.
    """
    lower = quantised or not all(device.keeps_precision for device in devices)
    own = not (narrow or lower)
    usual = _OWN if own else _LOWER
    if metric and tolerance is not None:
        relative = _FINITE if lower else usual
        return Limit(
            relative, asked=lower, stretched=own, lower=lower, loss=tolerance if lower else None
        )
    return Limit(
        usual if tolerance is None else tolerance,
        asked=tolerance is not None,
        rounding=_ROUNDING if own else _LOWER_ROUNDING,
        stretched=own,
        lower=lower,
    )
