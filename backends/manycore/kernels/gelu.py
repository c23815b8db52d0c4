"""i-GELU, a polynomial in place of the error function; fused into the Linear before it.

    core   | call | x: scale, clip, square, sign ... | next x          scalar, numbers dealt out

    T = call + 25 ceil(elements/cores)

Source: [rtl] fp64, 25.0 cycles a number on each of eight cores. The library has no other; what a
scalar kernel takes does not depend on the precision [guess].
"""

from stagecut.backends.manycore.chip import Chip


def gelu(chip: Chip, elements: int) -> int:
    each = -(-elements // chip.geometry.cores)
    return chip.rows.gelu_call + round(chip.rows.gelu_element * each)
