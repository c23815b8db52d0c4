"""Softmax of rows in the scratchpad, dealt out to the cores.

    core   | call | maximum of a row | exponentials, sum | divided by the sum | next row ...

    T = call + ceil(rows/cores) columns (exponential)

Sources: [rtl] 265 cycles a number on eight cores, which is nearly all expf (expf.py).
"""

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels.expf import exponential


def softmax(chip: Chip, rows: int, columns: int) -> int:
    busy = min(rows, chip.geometry.cores)
    each = -(-rows // chip.geometry.cores)
    return chip.rows.softmax_call + round(each * columns * exponential(chip, busy))
