"""Passes over numbers in the scratchpad: z = a x + y, and sums of products.

    optimised   core  | call |mmmmmmmm...m|        one multiply-add a cycle, two streams in, one out
    baseline    core  | call | load load madd store ... |       10 cycles a number

    T = call + ceil(elements/lanes/cores) + conflicts (banks.py)          axpy: add, multiply, too
    T = call + the same with two streams in, and the sums of all cores    dot

Sources: [rtl] fp64 on eight cores, where the gaps between operands are not known: those here are a
fit; other precisions by their lanes [guess].
"""

from dataclasses import replace

from stagecut.backends.manycore.banks import BANK_BYTES, Program, Stream, cycles
from stagecut.backends.manycore.chip import Chip


def axpy(chip: Chip, elements: int, *, offset: int = 96) -> int:
    """`offset` is the gap in bytes between x, y and z."""
    r = chip.rows
    if not chip.optimised:
        each = -(-elements // chip.geometry.cores)
        return r.naive_axpy_call + round(r.naive_axpy_element * each)
    return r.axpy_call + _passed(chip, elements, offset, stores=True)


def dot(chip: Chip, elements: int, *, offset: int = 16) -> int:
    return chip.rows.dot_call + _passed(chip, elements, offset, stores=False)


def _passed(chip: Chip, elements: int, offset: int, *, stores: bool) -> int:
    """So little comes before the streams that cores start together."""
    program = _pass(chip, elements, offset, stores=stores)
    return cycles(program, replace(chip.scratchpad, skew=0))


def _pass(chip: Chip, elements: int, offset: int, *, stores: bool) -> Program:
    cores = chip.geometry.cores
    registers = -(-elements // chip.fpu.lanes)
    each = -(-registers // cores)
    size, share = registers * BANK_BYTES + offset, each * BANK_BYTES
    reads = [Stream(i, i * size, share, (each,), (BANK_BYTES,)) for i in (0, 1, 2)]
    return Program(
        ops=tuple(min(each, max(0, registers - core * each)) for core in range(cores)),
        block=max(1, each),
        lead=chip.streams.start_lead,
        reads=(reads[0], reads[1]),
        write=reads[2] if stores else None,
        writing=max(1, each) if stores else 0,
    )
