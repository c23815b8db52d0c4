"""Element-wise kernels of an HBM-PIM: cycles in closed form, exact where refresh is off.

A pass works on the numbers that the registers of all blocks hold: first on those in the even banks
(one half of the pass), then on those in the odd banks (the other half). Each half opens its first
row while the other half runs. With -> for a change of rows, a half is

    add, mul   W2R, 8 RD of a -> 8 RD of b -> 8 WR of the result
    relu       W2R, 8 RD -> 8 WR
    batchnorm  W2R, 16 RD -> 8 WR

The functions below draw their commands in one pass on one channel, 2048 numbers, with the timing of
the preset. Cycle 0 is the write that starts PIM mode (`fixed.enter`). `8 RD` are eight commands, c
apart; the last column says what determines the first cycle of the line. Names of intervals are
those of intervals.py.

tRAS and tRC delay a PRE only in rows that are opened just before a short run of reads: the row of
the second operand, and the very first row of the kernel. `Intervals` refuses timings in which they
would delay others.
"""

from dataclasses import dataclass, replace

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals


@dataclass(frozen=True, slots=True)
class Kernel:
    """Cycles without refresh, and the number of commands on each channel.

    `stores` are those of the `writes` whose data come from the blocks' registers, not from the
    host. A command that works on several banks at once counts as one.
    """

    cycles: int
    reads: int
    writes: int
    stores: int
    activates: int


def add(i: Intervals, passes: int) -> Kernel:
    """Two operands and one result; multiplication issues the same commands.

    cycles      even banks            odd banks             first cycle
    -11                               1 WR registers
    -10         ACT mode                                    -11 + 1
      0         1 WR mode                                   -10 + tRCDWR
     29                               ACT operand 0         -11 + W2P + tRP
     40         ACT operand 0                               0 + W2P + tRP
     54 -  82   8 RD operand 0                              40 + tRCDRD
     99         ACT operand 1                               82 + R2P + tRP
    113 - 141   8 RD operand 1                              99 + tRCDRD
    158         ACT result                                  141 + R2P + tRP
    168 - 196   8 WR result                                 158 + tRCDWR
    215 - 243                         8 RD operand 0        196 + W2R
    260                               ACT operand 1         243 + R2P + tRP
    274 - 302                         8 RD operand 1        260 + tRCDRD
    319                               ACT result            302 + R2P + tRP
    329 - 357                         8 WR result           319 + tRCDWR

    half = 161 = W2R + 7 c + R2P + tRP + tRCDRD + 7 c + R2P + tRP + tRCDWR + 7 c
    first = 35 = W2P + tRP + tRCDRD - W2R
    cycles = 731 = enter + first + 2 half + leave

    `first` stands for the time before the first half, which begins with W2R like every other half.
    """
    result = i.run + i.read_then_write(i.read_run_opened) + i.run
    half = i.run + i.read_then_read(i.settled) + result
    late = i.read_then_read(first_opened(i, i.run)) - i.read_then_read(i.settled)
    return _elementwise(i, passes, half, late=late, reads=(1, 1))


def sub(i: Intervals, passes: int) -> Kernel:
    """The commands of `add`, and the write of a scalar, -1, c before PIM mode starts.

    The blocks multiply the second operand by that scalar and add the first:

    cycles = 735 = c + 731
    """
    return _with_scalars(i, add(i, passes))


def relu(i: Intervals, passes: int) -> Kernel:
    """One operand and one result.

    cycles      even banks            odd banks             first cycle
    -11                               1 WR registers
    -10         ACT mode                                    -11 + 1
      0         1 WR mode                                   -10 + tRCDWR
     29                               ACT operand 0         -11 + W2P + tRP
     40         ACT operand 0                               0 + W2P + tRP
     54 -  82   8 RD operand 0                              40 + tRCDRD
     99         ACT result                                  82 + R2P + tRP
    109 - 137   8 WR result                                 99 + tRCDWR
    156 - 184                         8 RD operand 0        137 + W2R
    201                               ACT result            184 + R2P + tRP
    211 - 239                         8 WR result           201 + tRCDWR

    half = 102 = W2R + 7 c + R2P + tRP + tRCDWR + 7 c
    first = 35 = W2P + tRP + tRCDRD - W2R
    cycles = 613 = enter + first + 2 half + leave
    """
    half = i.run + i.read_then_write(i.settled) + i.run
    late = i.read_then_write(first_opened(i, i.run)) - i.read_then_write(i.settled)
    return _elementwise(i, passes, half, late=late, reads=(1,))


def batchnorm(i: Intervals, passes: int) -> Kernel:
    """One operand, whose bursts are all read twice, and one result.

    The first RD of a burst multiplies it by one scalar register, the second adds another one. The
    write of these scalars comes c before PIM mode starts.

    cycles      even banks            odd banks             first cycle
    -11                               1 WR registers
    -10         ACT mode                                    -11 + 1
      0         1 WR mode                                   -10 + tRCDWR
     29                               ACT operand 0         -11 + W2P + tRP
     40         ACT operand 0                               0 + W2P + tRP
     54 - 114   16 RD operand 0                             40 + tRCDRD
    131         ACT result                                  114 + R2P + tRP
    141 - 169   8 WR result                                 131 + tRCDWR
    188 - 248                         16 RD operand 0       169 + W2R
    265                               ACT result            248 + R2P + tRP
    275 - 303                         8 WR result           265 + tRCDWR

    half = 134 = W2R + 15 c + R2P + tRP + tRCDWR + 7 c
    first = 35 = W2P + tRP + tRCDRD - W2R
    cycles = 681 = enter + c + first + 2 half + leave
    """
    twice = i.run + i.column + i.run
    half = twice + i.read_then_write(i.settled) + i.run
    late = i.read_then_write(first_opened(i, twice)) - i.read_then_write(i.settled)
    return _with_scalars(i, _elementwise(i, passes, half, late=late, reads=(2,)))


def _elementwise(
    i: Intervals, passes: int, half: int, *, late: int, reads: tuple[int, ...]
) -> Kernel:
    """The kernel of `passes` passes, each of two halves.

    `half` is the number of cycles from the first read in one half of the banks to the last write
    there. `reads` has an entry for each row that a half reads: the number of runs of 8 RD from it.
    `late` is what tRAS or tRC add to the first half of the kernel, whose first row is opened no
    earlier than it is needed; it is 0 with the preset's timing.
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
    """`kernel` with one more write, that of the scalar registers, before PIM mode starts."""
    return replace(kernel, cycles=kernel.cycles + i.column, writes=kernel.writes + 1)


def first_read(i: Intervals) -> int:
    """Cycles from the write that starts PIM mode to the first read in the even banks.

    That write leaves its own row open there: W2P + tRP + tRCDRD = 54 with the preset's timing.
    """
    return i.write_then_read(opened=i.timing.trcdwr)


def first_opened(i: Intervals, reads: int) -> int:
    """Cycles that the first row read has been open at its last read.

    `reads` is the number of cycles from the first read of that row to the last.
    """
    activated = i.reopen(i.write_to_precharge, opened=i.timing.trcdwr)
    return first_read(i) - activated + reads
