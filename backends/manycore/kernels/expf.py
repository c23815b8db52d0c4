"""Exponentials, by the scalar function of the C library, in fp32 whatever the precision is.

    core 0  | load far | ... | load far | multiply ... | store |     eight cores wait for one way to
    core 1  |....wait....| load far | ...                            far memory

    T of a number: `exp_near` with the lever `near_exp`; else `exp_alone` on one core and
    `exp_crowded` on eight; in between, in proportion to the cores that wait [guess]

Sources: [rtl] eight cores, 252 cycles of the function and 265 with its subtraction, maximum and
sum; one core is a fit to attention of one row; `exp_near` is a guess. Narrower numbers are
converted to fp32 and back (`convert`, a fit).
"""

from stagecut.backends.manycore.chip import Chip

#: Cores of the hardware on which the crowd was measured.
_CROWD = 8


def exponential(chip: Chip, busy: int) -> float:
    """Cycles of one, with its subtraction, maximum and sum, while `busy` cores compute some."""
    r = chip.rows
    if chip.levers.near_exp:
        return r.exp_near + r.convert
    far = r.exp_alone + (r.exp_crowded - r.exp_alone) * (busy - 1) / (_CROWD - 1)
    return far + r.convert


def expf(chip: Chip, elements: int, *, near: bool = False) -> int:
    """The function alone for `elements` numbers on each of all cores.

    With `near`, the table that it looks up lies in the scratchpad, but none of its other constants.
    """
    r = chip.rows
    return round((r.expf_table if near else r.expf_crowded) * elements)
