"""How long an HBM-PIM's matrix products take: a closed form, exact where refresh is off.

One step is one output tile for one row of the activation. With c a column interval and -> a change
of rows, it runs

    even input tile   8 writes to the registers, W2R, 64 reads of weights, R2W
    odd input tile    8 writes to the registers, -> 64 reads of weights ->
    sums              8 writes of the sums ->

where the 64 reads of a tile lie in two rows (64 c - 2 c and one change). Registers and sums lie in
the odd banks: an even tile's weights are opened while the registers are written, an odd tile's
have to wait for that.
"""

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel, first_read


def product(i: Intervals, *, steps: int, tiles: int) -> Kernel:
    """`steps` output tiles (times the activation's rows) of `tiles` input tiles each.

    The sums of an output tile stay in the registers until all its input tiles are added up.
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
        # a tile opens its weight rows and the register row; a step, the sums' and the mode's
        activates=fixed.activates(i) + steps * (tiles * (g.tile_rows + 1) + 2),
    )


def _first_write(i: Intervals) -> int:
    """From the start of PIM mode to the first write to the registers.

    It is later than it could be by what the weights, rather than the registers, are waited for.
    """
    registers_written = i.column + i.run + i.write_to_read
    return i.column + max(0, first_read(i) - registers_written)


def _even_tile(i: Intervals) -> int:
    return i.run + i.write_to_read + stream(i) + i.read_to_write


def _even_late(i: Intervals) -> int:
    """What an even tile after another waits where registers are written faster than rows open."""
    return max(0, next_row(i) - (i.read_to_write + i.run + i.write_to_read))


def _odd_tile(i: Intervals) -> int:
    weights = i.write_then_read(i.write_run_opened) + stream(i)
    return i.run + weights + i.read_then_write(i.row_read_opened)


def _next_step(i: Intervals, tiles: int) -> int:
    """First write of sums to the first register write of the next step.

    Meanwhile PIM mode is started again, after which the even banks open the next weights.
    """
    started, opened = mode_again(i, tiles)
    registers = max(i.write_then_write(i.write_run_opened), started + i.column)
    weights_open = started + i.write_then_read(opened=started - opened)
    return i.run + registers + max(0, weights_open - (registers + i.run + i.write_to_read))


def mode_again(i: Intervals, tiles: int) -> tuple[int, int]:
    """Last write of sums to the write that starts PIM mode again, and to the ACT of its row.

    PIM mode is ended and started by two writes in the even banks, which wait for the sums, and for
    the weights to be closed where a single tile was read just before.
    """
    idle = i.read_to_write + i.run
    closed = i.read_to_precharge + i.timing.trp - idle if tiles == 1 else 0
    opened = max(1, closed)
    return max(opened + i.timing.trcdwr, i.column) + i.column, opened


def stream(i: Intervals) -> int:
    """First to last read of a tile's weights."""
    g = i.geometry
    return (g.tile_bursts - g.tile_rows) * i.column + (g.tile_rows - 1) * next_row(i)


def next_row(i: Intervals) -> int:
    """Last read of a row full of weights to the first of the next."""
    return i.read_then_read(i.row_read_opened)
