"""A product of a tile, C[m, n] (+)= A[m, k] B, with the rows of C dealt out to the cores.

Optimised: A and B are streamed into the FPU, eight results at a time; a block is

    core   | before |  k steps x 8 multiply-adds  | after | before |  k steps x 8 ...
    A      |        a     a     a     a           |                a  fetched once, used 8 times
    B      |        bbbbbbbbbbbbbbbbbbbbbbb       |                bbbb  one a cycle, by every core
    C      |                                   c  |                      fp64: streamed out, too

    T = call + rows (n/8 (8 ceil(k/lanes) issue + before + after [+ accumulate]) + row) + what the
        cores lose to each other at the banks (banks.py)

Baseline: loads, a multiply-add and a branch for each step, `scalar_mac` cycles apart.

Sources: [rtl] one core and one row for the constants; conflicts of eight cores follow from the
replay, whose three numbers are a fit. Where n is no multiple of 8, or k of the lanes, the last
block or step is computed in full [guess]: the library drops it.
"""

from dataclasses import replace
from typing import Literal, TypeAlias

from stagecut.backends.manycore.banks import BANK_BYTES, Program, Stream, cycles
from stagecut.backends.manycore.chip import UNROLL, Chip

#: How the scalar library multiplies: plainly, four at a time, or a register at a time.
Scalar: TypeAlias = Literal["naive", "unrolled", "simd"]


def gemm(chip: Chip, m: int, n: int, k: int, *, accumulate: bool = False) -> int:
    """Cycles of C[m, n] = A[m, k] B[n, k]^T, or += where it has to `accumulate`."""
    if chip.optimised:
        return streamed(chip, m, n, k, accumulate=accumulate)
    return scalar(chip, m, n, k)


def streamed(
    chip: Chip,
    m: int,
    n: int,
    k: int,
    *,
    transposed: bool = True,
    accumulate: bool = False,
    expanding: bool = True,
    cores: int = 0,
) -> int:
    """With streams; B is [n, k] where it is `transposed`, otherwise [k, n]."""
    cores = cores or chip.geometry.cores
    program = streamed_program(chip, m, n, k, cores, transposed=transposed)
    extra = chip.gemm.accumulate if accumulate else 0
    late = 0 if expanding else chip.gemm.nonexpanding
    program = replace(program, before=program.before + extra, after=program.after + late)
    return chip.gemm.call + cycles(program, chip.scratchpad)


def streamed_program(
    chip: Chip, m: int, n: int, k: int, cores: int, *, transposed: bool
) -> Program:
    """What each of `cores` runs; A, B and C follow each other in the scratchpad."""
    steps, blocks = -(-k // chip.fpu.lanes), -(-n // UNROLL)
    number, rows = chip.number_bytes, -(-m // cores)
    a_row, b_bytes = steps * BANK_BYTES, blocks * UNROLL * steps * BANK_BYTES
    if transposed:
        b_strides = (a_row, BANK_BYTES, UNROLL * a_row, 0)
    else:
        b_strides = (number, number * n, number * UNROLL, 0)
    c_row = number * n
    return Program(
        ops=_dealt(m, cores, blocks * steps * UNROLL),
        block=steps * UNROLL,
        reads=(
            Stream(0, 0, a_row, (steps, blocks, rows), (BANK_BYTES, 0, cores * a_row), UNROLL),
            Stream(1, m * a_row, 0, (UNROLL, steps, blocks, rows), b_strides),
        ),
        gap=chip.issue,
        before=chip.gemm.before,
        after=chip.gemm.after,
        row=chip.gemm.row,
        row_blocks=blocks,
        lead=chip.streams.start_lead,
        write=Stream(
            2, m * a_row + b_bytes, c_row, (blocks * UNROLL, rows), (number, cores * c_row)
        )
        if number == BANK_BYTES
        else None,
        writing=UNROLL if number == BANK_BYTES else 0,
    )


def scalar(
    chip: Chip,
    m: int,
    n: int,
    k: int,
    *,
    kind: Scalar = "naive",
    transposed: bool = True,
    cores: int = 0,
) -> int:
    """Without streams."""
    cores = cores or chip.geometry.cores
    program = scalar_program(chip, m, n, k, cores, kind=kind, transposed=transposed)
    return chip.scalar.scalar_call + cycles(program, chip.scratchpad)


def scalar_program(
    chip: Chip, m: int, n: int, k: int, cores: int, *, kind: Scalar, transposed: bool
) -> Program:
    """A step reads a number, or with `simd` a register of them, of A and of B."""
    s, width = chip.scalar, BANK_BYTES if kind == "simd" else chip.number_bytes
    steps = -(-k // chip.fpu.lanes) if kind == "simd" else k
    step, result, ahead = {
        "naive": (s.scalar_mac, s.scalar_result, 1),
        "unrolled": (s.unrolled_mac, s.unrolled_result, 4),
        "simd": (s.simd_step, s.simd_result, 1),
    }[kind]
    rows, a_row = -(-m // cores), steps * width
    b_strides = (width, a_row, 0) if transposed else (width * n, width, 0)
    return Program(
        ops=_dealt(m, cores, n * steps),
        block=steps,
        reads=(
            Stream(0, 0, a_row, (steps, n, rows), (width, 0, cores * a_row)),
            Stream(0, m * a_row, 0, (steps, n, rows), b_strides),
        ),
        gap=step,
        after=result,
        ahead=ahead,
    )


def _dealt(m: int, cores: int, ops: int) -> tuple[int, ...]:
    """The instructions of each core where row i is computed by core i modulo `cores`."""
    return tuple((m // cores + (core < m % cores)) * ops for core in range(cores))
