"""Matrix-vector products of an HBM-PIM: cycles in closed form, exact where refresh is off.

One step is one output tile for one row of the activation. It takes the even input tiles (0, 2, ...)
and then the odd ones. With -> for a change of rows, it issues

    even input tile   8 WR to the registers, W2R, 64 RD of weights, R2W
    odd input tile    8 WR to the registers -> 64 RD of weights ->
    sums              8 WR of the sums ->

The 8 WR carry an input tile, 128 numbers, from the host into the blocks' source registers. Each of
the 64 RD multiplies a burst of weights by inputs and adds the products to the sums (MAC), in all
blocks at once; the weights of a tile fill two rows. The last 8 WR store the sums in the banks.

The rows of the registers and of the sums lie in the odd banks. So the weights of an even tile are
opened while the registers are written, while those of an odd tile have to wait for that.

One step of two input tiles, [1, 256] x [256, 64] on one channel, with the preset's timing. Cycle 0
is the write that starts PIM mode, through a row called mode; the instructions have been written
through the register row before, which is still open (`fixed.enter`). `8 WR` are eight commands, c
apart; what follows is the row that they use. The last column says what determines the first cycle
of the line. Names of intervals are those of intervals.py.

    cycles      even banks            odd banks             first cycle
      0         1 WR mode
      4 -  32                         8 WR registers        0 + c
     40         ACT tile 0 row 0                            0 + W2P + tRP
     54 - 178   32 RD tile 0 row 0                          40 + tRCDRD
    195         ACT tile 0 row 1                            178 + R2P + tRP
    209 - 333   32 RD tile 0 row 1                          195 + tRCDRD
    348 - 376                         8 WR registers        333 + R2W
    416                               ACT tile 1 row 0      376 + W2P + tRP
    430 - 554                         32 RD tile 1 row 0    416 + tRCDRD
    571                               ACT tile 1 row 1      554 + R2P + tRP
    585 - 709                         32 RD tile 1 row 1    571 + tRCDRD
    726                               ACT sums              709 + R2P + tRP
    736 - 764                         8 WR sums             726 + tRCDWR

    stream = 279 = 31 c + R2P + tRP + tRCDRD + 31 c
    even = 341 = 7 c + W2R + stream + R2W
    odd = 388 = 7 c + W2P + tRP + tRCDRD + stream + R2P + tRP + tRCDWR
    first = 7 = W2P + tRP + tRCDRD - 7 c - W2R
    cycles = 1138 = enter + first + even + odd + 7 c + leave

`first` precedes `even`: the registers are written from cycle 4 on, but the reads wait until 54 for
their row, 3 cycles longer than for the registers. The formula puts these 3 before the writes.
"""

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel, first_read


def product(i: Intervals, *, steps: int, tiles: int) -> Kernel:
    """`steps` output tiles (times the activation's rows) of `tiles` input tiles each.

    The sums of an output tile stay in the registers until all its input tiles are added up. With
    one input tile:

    cycles      even banks            odd banks             first cycle
      0         1 WR mode
      4 -  32                         8 WR registers        0 + c
     40         ACT tile 0 row 0                            0 + W2P + tRP
     54 - 178   32 RD tile 0 row 0                          40 + tRCDRD
     72                               ACT sums              32 + W2P + tRP
    195         ACT tile 0 row 1                            178 + R2P + tRP
    209 - 333   32 RD tile 0 row 1                          195 + tRCDRD
    348 - 376                         8 WR sums             333 + R2W

    first = 7 = W2P + tRP + tRCDRD - 7 c - W2R
    even = 341 = 7 c + W2R + 31 c + R2P + tRP + tRCDRD + 31 c + R2W
    cycles = 750 = enter + first + even + 7 c + leave
    """
    g = i.geometry
    even, odd = (tiles + 1) // 2, tiles // 2
    step = even * _even_tile(i) + (even - 1) * _even_late(i) + odd * _odd_tile(i)
    cycles = fixed.enter(i) + _first_write(i) + steps * step + (steps - 1) * _next_step(i, tiles)
    return Kernel(
        cycles=cycles + i.run + fixed.leave(i),
        reads=fixed.reads(i) + steps * tiles * g.tile_bursts,
        # PIM mode is started and ended for every step
        writes=fixed.WRITES + steps * ((tiles + 1) * g.registers + 2),
        stores=steps * g.registers,
        # for a tile its weight rows and the register row, counted even where that is still open;
        # for a step the rows of the sums and of the mode
        activates=fixed.activates(i) + steps * (tiles * (g.tile_rows + 1) + 2),
    )


def _first_write(i: Intervals) -> int:
    """Cycles from the write that starts PIM mode to where the first even tile is counted from.

    That is the first register write, or later where the row of the first weights is ready later
    than the registers: `_even_tile` counts only the wait for the registers.
    """
    registers_written = i.column + i.run + i.write_to_read
    return i.column + max(0, first_read(i) - registers_written)


def _even_tile(i: Intervals) -> int:
    """Cycles from an even tile's first register write to whatever write follows its weights."""
    return i.run + i.write_to_read + stream(i) + i.read_to_write


def _even_late(i: Intervals) -> int:
    """Cycles that an even tile after another even tile waits for the row of its weights.

    Beyond those for the registers, that is; 0 with the preset's timing:

    cycles      even banks            odd banks             first cycle
    333         1 RD tile 0 row 1
    348 - 376                         8 WR registers        333 + R2W
    350         ACT tile 2 row 0                            333 + R2P + tRP
    395 - 519   32 RD tile 2 row 0                          376 + W2R

    row = 31 = R2P + tRP + tRCDRD
    registers = 62 = R2W + 7 c + W2R
    """
    return max(0, next_row(i) - (i.read_to_write + i.run + i.write_to_read))


def _odd_tile(i: Intervals) -> int:
    """Cycles from an odd tile's first register write to the next one, or to the first of sums."""
    weights = i.write_then_read(i.write_run_opened) + stream(i)
    return i.run + weights + i.read_then_write(i.row_read_opened)


def _next_step(i: Intervals, tiles: int) -> int:
    """Cycles from the first write of sums to the first register write of the next step.

    Meanwhile PIM mode is ended and started again; then the even banks open the next weights. From
    the first to the second of two steps of two input tiles:

    cycles      even banks            odd banks             first cycle
    736 - 764                         8 WR sums
    765         ACT mode                                    764 + 1
    775 - 779   2 WR mode                                   765 + tRCDWR
    804                               ACT registers         764 + W2P + tRP
    814 - 842                         8 WR registers        804 + tRCDWR
    819         ACT tile 0 row 0                            779 + W2P + tRP
    861 - 985   32 RD tile 0 row 0                          842 + W2R

    next = 78 = 7 c + W2P + tRP + tRCDWR
    step = 729 = 341 + 388
    cycles = 1945 = enter + 7 + 2 step + next + 7 c + leave
    """
    started, opened = mode_again(i, tiles)
    registers = max(i.write_then_write(i.write_run_opened), started + i.column)
    weights_open = started + i.write_then_read(opened=started - opened)
    return i.run + registers + max(0, weights_open - (registers + i.run + i.write_to_read))


def mode_again(i: Intervals, tiles: int) -> tuple[int, int]:
    """Cycles from the last write of sums to the write that starts PIM mode again, and to its ACT.

    Two writes to a row of the even banks end PIM mode and start it again. Their ACT comes a cycle
    after the last write of sums; after a step of a single tile, not before the row of the weights
    is closed. With the preset's timing:

    ended = 11 = 1 + tRCDWR
    started = 15 = ended + c
    """
    idle = i.read_to_write + i.run
    closed = i.read_to_precharge + i.timing.trp - idle if tiles == 1 else 0
    opened = max(1, closed)
    return max(opened + i.timing.trcdwr, i.column) + i.column, opened


def stream(i: Intervals) -> int:
    """Cycles from the first to the last read of a tile's weights."""
    g = i.geometry
    return (g.tile_bursts - g.tile_rows) * i.column + (g.tile_rows - 1) * next_row(i)


def next_row(i: Intervals) -> int:
    """Cycles from the last read of a row full of weights to the first read of the next row."""
    return i.read_then_read(i.row_read_opened)
