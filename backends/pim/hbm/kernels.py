"""How long an HBM-PIM's kernels take: a closed form, exact where refresh is off.

One step of a matrix product is one output tile for one row of the activation. With c a column
interval and -> a change of rows, it runs

    even input tile   8 writes to the registers, W2R, 64 reads of weights, R2W
    odd input tile    8 writes to the registers, -> 64 reads of weights ->
    sums              8 writes of the sums ->

where the 64 reads of a tile lie in two rows (64 c - 2 c and one change). Registers and sums lie in
the odd banks: an even tile's weights are opened while the registers are written, an odd tile's
have to wait for that. An element-wise pass runs once in the even and once in the odd banks, each
opened during the other:

    add, mul   W2R, 8 reads of a -> 8 reads of b -> 8 writes
    relu       W2R, 8 reads -> 8 writes

tRAS and tRC hold back only rows that were opened just in time for a short run of reads: the second
operand, and the first of all. `Intervals` refuses timings in which they would do more.
"""

from dataclasses import dataclass

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals


@dataclass(frozen=True, slots=True)
class Kernel:
    """Cycles without refresh, and commands on each channel."""

    cycles: int
    reads: int
    writes: int
    activates: int


def product(i: Intervals, *, steps: int, tiles: int) -> Kernel:
    """`steps` output tiles (times the activation's rows) of `tiles` input tiles each."""
    g = i.geometry
    even, odd = (tiles + 1) // 2, tiles // 2
    step = even * _even_tile(i) + (even - 1) * _even_late(i) + odd * _odd_tile(i)
    cycles = fixed.enter(i) + _first_write(i) + steps * step + (steps - 1) * _next_step(i, tiles)
    return Kernel(
        cycles=cycles + i.run + fixed.leave(i),
        reads=fixed.reads(i) + steps * tiles * g.tile_bursts,
        # PIM mode is started and ended for every step
        writes=fixed.WRITES + steps * ((tiles + 1) * g.registers + 2),
        # a tile opens its weight rows and the register row; a step, the sums' and the mode's
        activates=fixed.activates(i) + steps * (tiles * (g.tile_rows + 1) + 2),
    )


def add(i: Intervals, passes: int) -> Kernel:
    """Also of sub and mul: two operands, one result."""
    result = i.run + i.read_then_write(i.read_run_opened) + i.run
    half = i.run + i.read_then_read(i.settled) + result
    late = i.read_then_read(_first_opened(i)) - i.read_then_read(i.settled)
    return _elementwise(i, passes, half, late=late, rows_read=2)


def relu(i: Intervals, passes: int) -> Kernel:
    half = i.run + i.read_then_write(i.settled) + i.run
    late = i.read_then_write(_first_opened(i)) - i.read_then_write(i.settled)
    return _elementwise(i, passes, half, late=late, rows_read=1)


def _elementwise(i: Intervals, passes: int, half: int, *, late: int, rows_read: int) -> Kernel:
    """`half` lasts from the first read in one half of the banks to the last write there.

    `late` is what tRAS or tRC add to the first half of all, whose first row is opened just in time.
    """
    registers, halves = i.geometry.registers, 2 * passes
    first = _first_read(i) - i.write_to_read + late
    return Kernel(
        cycles=fixed.enter(i) + first + halves * (i.write_to_read + half) + fixed.leave(i),
        reads=fixed.reads(i) + halves * rows_read * registers,
        writes=fixed.WRITES + 2 + halves * registers,
        activates=fixed.activates(i) + 1 + halves * (rows_read + 1),
    )


def _first_read(i: Intervals) -> int:
    """From the start of PIM mode to a read in the even banks, where its row was left open."""
    return i.write_then_read(opened=i.timing.trcdwr)


def _first_opened(i: Intervals) -> int:
    """How long the row of the first reads has been open at the last of them."""
    activated = i.reopen(i.write_to_precharge, opened=i.timing.trcdwr)
    return _first_read(i) - activated + i.run


def _first_write(i: Intervals) -> int:
    """From the start of PIM mode to the first write to the registers.

    It is later than it could be by what the weights, rather than the registers, are waited for.
    """
    registers_written = i.column + i.run + i.write_to_read
    return i.column + max(0, _first_read(i) - registers_written)


def _even_tile(i: Intervals) -> int:
    return i.run + i.write_to_read + _stream(i) + i.read_to_write


def _even_late(i: Intervals) -> int:
    """What an even tile after another waits where registers are written faster than rows open."""
    return max(0, _next_row(i) - (i.read_to_write + i.run + i.write_to_read))


def _odd_tile(i: Intervals) -> int:
    weights = i.write_then_read(i.write_run_opened) + _stream(i)
    return i.run + weights + i.read_then_write(i.row_read_opened)


def _next_step(i: Intervals, tiles: int) -> int:
    """First write of sums to the first register write of the next step.

    Meanwhile PIM mode is ended and started again by two writes in the even banks, which wait for
    the sums, and for the weights to be closed where a single tile was read just before. Then the
    even banks open the next weights.
    """
    idle = i.read_to_write + i.run
    closed = i.read_to_precharge + i.timing.trp - idle if tiles == 1 else 0
    opened = max(1, closed)
    started = max(opened + i.timing.trcdwr, i.column) + i.column
    registers = max(i.write_then_write(i.write_run_opened), started + i.column)
    weights_open = started + i.write_then_read(opened=started - opened)
    return i.run + registers + max(0, weights_open - (registers + i.run + i.write_to_read))


def _stream(i: Intervals) -> int:
    """First to last read of a tile's weights."""
    g = i.geometry
    return (g.tile_bursts - g.tile_rows) * i.column + (g.tile_rows - 1) * _next_row(i)


def _next_row(i: Intervals) -> int:
    return i.read_then_read(i.row_read_opened)
