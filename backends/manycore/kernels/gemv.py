"""One row, y[n] (+)= x[k] B: a token against a weight.

As the library has it, rows are dealt out to the cores, so that seven of eight wait:

    core 0  | call | block | block | block | block |        with `split_n`:  | call | block |
    core 1  | call |                               b                         | call | block |
      ...                                                                    ...

    T = gemm(1, n, k), or with `split_n` gemm of ceil(n/8/cores) blocks on each core

Sources: [rtl] for one core (rows with m = 1). No reference covers the split: all cores read one row
of A and rows of B of their own, at the banks of banks.py.
"""

from dataclasses import replace

from stagecut.backends.manycore.banks import cycles
from stagecut.backends.manycore.chip import UNROLL, Chip
from stagecut.backends.manycore.kernels.gemm import gemm, streamed_program


def gemv(chip: Chip, n: int, k: int, *, accumulate: bool = False) -> int:
    if not (chip.optimised and chip.levers.split_n):
        return gemm(chip, 1, n, k, accumulate=accumulate)
    cores = chip.geometry.cores
    blocks = -(-n // UNROLL)
    share = -(-blocks // cores)
    whole = streamed_program(chip, cores, share * UNROLL, k, cores, transposed=True)
    row, matrix = whole.reads
    matrix = replace(matrix, core_step=share * UNROLL * row.core_step)
    given = [min(share, max(0, blocks - core * share)) for core in range(cores)]
    extra = chip.gemm.accumulate if accumulate else 0
    split = replace(
        whole,
        ops=tuple(part * whole.block for part in given),
        reads=(replace(row, core_step=0), matrix),
        before=whole.before + extra,
    )
    return chip.gemm.call + cycles(split, chip.scratchpad)
