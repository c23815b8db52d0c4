"""LayerNorm of rows in the scratchpad, dealt out to the cores.

    core   | call | row: sum | mean | subtract, square, sum | root, divide | scale | next row ...
                    1 instr.   wait        4 instructions          wait        1 a register

    T = (call + ceil(rows/cores) (6 ceil(columns/lanes) + row)) (1 + crowded)     optimised
    T = ceil(rows/cores) (26 columns + row) (1 + 2 crowded)                       baseline

Sources: [rtl] one core and eight, fp32; other precisions by their lanes [guess].
"""

from stagecut.backends.manycore.chip import Chip


def layernorm(chip: Chip, rows: int, columns: int, cores: int = 0) -> int:
    cores, r = cores or chip.geometry.cores, chip.rows
    each = -(-rows // cores)
    crowd = r.layernorm_crowded * (min(rows, cores) - 1) / 7
    if chip.optimised:
        steps = -(-columns // chip.fpu.lanes)
        row = r.layernorm_element * steps + r.layernorm_row
        return round((r.layernorm_call + each * row) * (1 + crowd))
    naive = r.naive_layernorm_element * columns + r.naive_layernorm_row
    return round(each * naive * (1 + 2 * crowd))
