"""How long an HBM-PIM's element-wise kernels take: a closed form, exact where refresh is off.

A pass runs once in the even and once in the odd banks, each opened during the other. With -> for a
change of rows, it is

    add, mul   W2R, 8 reads of a -> 8 reads of b -> 8 writes
    relu       W2R, 8 reads -> 8 writes

tRAS and tRC hold back only rows that were opened just in time for a short run of reads: the second
operand, and the first of all. `Intervals` refuses timings in which they would do more.
"""

from dataclasses import dataclass, replace

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals


@dataclass(frozen=True, slots=True)
class Kernel:
    """Cycles without refresh, and commands on each channel.

    `stores` are those of the `writes` whose data come from the blocks' registers, not the host.
    """

    cycles: int
    reads: int
    writes: int
    stores: int
    activates: int


def add(i: Intervals, passes: int) -> Kernel:
    """Two operands, one result; also of mul."""
    result = i.run + i.read_then_write(i.read_run_opened) + i.run
    half = i.run + i.read_then_read(i.settled) + result
    late = i.read_then_read(first_opened(i, i.run)) - i.read_then_read(i.settled)
    return _elementwise(i, passes, half, late=late, reads=(1, 1))


def sub(i: Intervals, passes: int) -> Kernel:
    """An addition of the second operand times -1, a scalar that is written like BatchNorm's."""
    return _with_scalars(i, add(i, passes))


def relu(i: Intervals, passes: int) -> Kernel:
    half = i.run + i.read_then_write(i.settled) + i.run
    late = i.read_then_write(first_opened(i, i.run)) - i.read_then_write(i.settled)
    return _elementwise(i, passes, half, late=late, reads=(1,))


def batchnorm(i: Intervals, passes: int) -> Kernel:
    """Every burst is read twice: once to be scaled, once to be shifted, by scalar registers."""
    twice = i.run + i.column + i.run
    half = twice + i.read_then_write(i.settled) + i.run
    late = i.read_then_write(first_opened(i, twice)) - i.read_then_write(i.settled)
    return _with_scalars(i, _elementwise(i, passes, half, late=late, reads=(2,)))


def _elementwise(
    i: Intervals, passes: int, half: int, *, late: int, reads: tuple[int, ...]
) -> Kernel:
    """`half` lasts from the first read in one half of the banks to the last write there.

    `reads` has an entry for each row that is read: how many runs are read from it. `late` is what
    tRAS or tRC add to the first half of all, whose first row is opened just in time.
    """
    registers, halves = i.geometry.registers, 2 * passes
    first = first_read(i) - i.write_to_read + late
    return Kernel(
        cycles=fixed.enter(i) + first + halves * (i.write_to_read + half) + fixed.leave(i),
        reads=fixed.reads(i) + halves * sum(reads) * registers,
        writes=fixed.WRITES + 2 + halves * registers,
        stores=halves * registers,
        activates=fixed.activates(i) + 1 + halves * (len(reads) + 1),
    )


def _with_scalars(i: Intervals, kernel: Kernel) -> Kernel:
    """One more write before the kernel runs."""
    return replace(kernel, cycles=kernel.cycles + i.column, writes=kernel.writes + 1)


def first_read(i: Intervals) -> int:
    """From the start of PIM mode to a read in the even banks, where its row was left open."""
    return i.write_then_read(opened=i.timing.trcdwr)


def first_opened(i: Intervals, reads: int) -> int:
    """How long the row of the first reads, which take `reads` cycles, is open at their last."""
    activated = i.reopen(i.write_to_precharge, opened=i.timing.trcdwr)
    return first_read(i) - activated + reads
