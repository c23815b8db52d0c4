"""A product that stores the sums of every input tile apart; the host adds them up in a tree.

    each input tile   8 RD of zeros, 8 WR to the registers, 64 RD of weights, 8 WR of sums

The zeros clear the registers of the sums. They lie in one row of the even banks, which is written
before PIM mode starts, 8 bursts into each of the 16 banks, one bank at a time.

One output tile of two input tiles, [1, 256] x [256, 64] on one channel, with the preset's timing.
Cycle 0 is the write that starts PIM mode; the notation is that of products.py.

    cycles      even banks            odd banks             first cycle
      0         1 WR mode
     40         ACT zeros                                   0 + W2P + tRP
     54 -  82   8 RD zeros                                  40 + tRCDRD
     97 - 125                         8 WR registers        82 + R2W
     99         ACT tile 0 row 0                            82 + R2P + tRP
    144 - 268   32 RD tile 0 row 0                          125 + W2R
    165                               ACT sums              125 + W2P + tRP
    285         ACT tile 0 row 1                            268 + R2P + tRP
    299 - 423   32 RD tile 0 row 1                          285 + tRCDRD
    438 - 466                         8 WR sums             423 + R2W
    440         ACT zeros                                   423 + R2P + tRP
    485 - 513   8 RD zeros                                  466 + W2R
    506                               ACT registers         466 + W2P + tRP
    528 - 556                         8 WR registers        513 + R2W
    596                               ACT tile 1 row 0      556 + W2P + tRP
    610 - 734                         32 RD tile 1 row 0    596 + tRCDRD
    751                               ACT tile 1 row 1      734 + R2P + tRP
    765 - 889                         32 RD tile 1 row 1    751 + tRCDRD
    906                               ACT sums              889 + R2P + tRP
    916 - 944                         8 WR sums             906 + tRCDWR

    zeros = 271 = 1 + tRCDWR + 128 tCCDS + c
    first = 54 = W2P + tRP + tRCDRD
    stream = 279 = 31 c + R2P + tRP + tRCDRD + 31 c
    even = 412 = 7 c + R2W + 7 c + W2R + stream + R2W + 7 c
    odd = 459 = 7 c + R2W + 7 c + W2P + tRP + tRCDRD + stream + R2P + tRP + tRCDWR + 7 c
    cycles = 1589 = enter + zeros + first + even + W2R + odd + leave

`zeros` is the time for writing them, between `enter` and the write at cycle 0.
"""

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel, first_opened, first_read
from stagecut.backends.pim.hbm.products import mode_again, next_row, stream


def tree_product(i: Intervals, *, steps: int, tiles: int) -> Kernel:
    """`steps` output tiles (times the activation's rows) of `tiles` input tiles each.

    Between two steps PIM mode is ended and started again. Two steps of one input tile each:

    cycles      even banks            odd banks             first cycle
    438 - 466                         8 WR sums
    467         ACT mode                                    466 + 1
    477 - 481   2 WR mode                                   467 + tRCDWR
    506                               ACT registers         466 + W2P + tRP
    521         ACT zeros                                   481 + W2P + tRP
    535 - 563   8 RD zeros                                  521 + tRCDRD
    578 - 606                         8 WR registers        563 + R2W
    580         ACT tile 0 row 0                            563 + R2P + tRP
    625 - 749   32 RD tile 0 row 0                          606 + W2R
    646                               ACT sums              606 + W2P + tRP

    again = 69 = 1 + tRCDWR + c + W2P + tRP + tRCDRD
    even = 412 = 7 c + R2W + 7 c + W2R + 31 c + R2P + tRP + tRCDRD + 31 c + R2W + 7 c
    cycles = 1592 = enter + 271 + 54 + even + again + even + leave
    """
    g = i.geometry
    zeros = g.banks * g.registers
    written = 1 + i.timing.trcdwr + zeros * max(i.timing.tccds, i.data) + i.column + first_read(i)
    started, opened = mode_again(i, tiles)
    again = started + i.write_then_read(opened=started - opened)
    reopened = i.reopen(i.write_to_precharge, opened=started - opened)
    first = written + _even_cleared(i, fetched=0, opened=first_opened(i, 0), sums=False)
    next_first = _even_cleared(i, fetched=again, opened=again - started - reopened) + again
    return Kernel(
        cycles=fixed.enter(i)
        + first
        + (steps - 1) * next_first
        + steps * _tree_step(i, tiles)
        + fixed.leave(i),
        reads=fixed.reads(i) + steps * tiles * (g.tile_bursts + g.registers),
        writes=fixed.WRITES + 1 + zeros + steps * (tiles * 2 * g.registers + 2),
        stores=steps * tiles * g.registers,
        # for a tile its weight rows and the rows of registers, sums and zeros; for a step that of
        # the mode
        activates=fixed.activates(i) + g.banks + steps * (tiles * (g.tile_rows + 3) + 1),
    )


def _tree_step(i: Intervals, tiles: int) -> int:
    """Cycles from the first read of weights in a step to its last write of sums."""
    even, odd = (tiles + 1) // 2, tiles // 2
    even_tile = stream(i) + i.read_to_write + i.run
    odd_tile = stream(i) + i.read_then_write(i.row_read_opened) + i.run
    # the row of zeros is opened again after the weights, which lie in the same banks
    weights_closed = i.read_to_write + i.run
    fetched = max(i.write_to_read, next_row(i) - weights_closed)
    opened = weights_closed + fetched - i.read_to_precharge - i.timing.trp
    before_even = fetched + _even_cleared(i, fetched=fetched, opened=opened)
    before_odd = fetched + _odd_cleared(i, fetched=fetched)
    between_odd = i.write_to_read + _odd_cleared(i, fetched=i.write_to_read)
    cycles = even * even_tile + (even - 1) * before_even
    return cycles + (odd * odd_tile + before_odd + (odd - 1) * between_odd if odd else 0)


def _even_cleared(i: Intervals, *, fetched: int, opened: int, sums: bool = True) -> int:
    """Cycles from the first read of zeros to the first read of weights of an even input tile.

    `opened` is how long the row of zeros has been open at the first of these reads, `fetched` the
    cycles from the last write of sums to that read. Without `sums`, at the start of the kernel, no
    row of sums has to be closed before the registers are written.
    """
    registers = _registers_after_zeros(i, fetched) if sums else i.read_to_write
    weights = i.read_then_read(opened + i.run) - registers - i.run
    return i.run + registers + i.run + max(i.write_to_read, weights)


def _odd_cleared(i: Intervals, *, fetched: int) -> int:
    """Cycles from the first read of zeros to the first read of weights of an odd input tile.

    These weights lie in the banks of the register row, which has to be closed before them.
    """
    registers = _registers_after_zeros(i, fetched)
    return i.run + registers + i.run + i.write_then_read(i.write_run_opened)


def _registers_after_zeros(i: Intervals, fetched: int) -> int:
    """Cycles from the last read of zeros to the first register write.

    The registers are written through the odd banks, where the row of the sums is closed first.
    """
    return max(i.read_to_write, i.write_then_write(i.write_run_opened) - fetched - i.run)
