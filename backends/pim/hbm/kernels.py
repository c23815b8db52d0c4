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


def tree_product(i: Intervals, *, steps: int, tiles: int) -> Kernel:
    """A product that stores the sums of every input tile, for the host to add up in a tree.

    The registers are cleared before each tile, by reading zeros in the even banks from a row that
    is written beforehand, one bank at a time.
    """
    g = i.geometry
    zeros = g.banks * g.registers
    written = 1 + i.timing.trcdwr + zeros * max(i.timing.tccds, i.data) + i.column + _first_read(i)
    started, opened = _mode_again(i, tiles)
    again = started + i.write_then_read(opened=started - opened)
    reopened = i.reopen(i.write_to_precharge, opened=started - opened)
    first = written + _even_cleared(i, fetched=0, opened=_first_opened(i, 0), sums=False)
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
        # a tile opens its weight rows, the register row, the sums' row and the zeros' row
        activates=fixed.activates(i) + g.banks + steps * (tiles * (g.tile_rows + 3) + 1),
    )


def _tree_step(i: Intervals, tiles: int) -> int:
    """First weight of a step's first tile to the last sum of its last tile."""
    even, odd = (tiles + 1) // 2, tiles // 2
    even_tile = _stream(i) + i.read_to_write + i.run
    odd_tile = _stream(i) + i.read_then_write(i.row_read_opened) + i.run
    # the zeros' row is opened again after weights that lay in the same banks
    weights_closed = i.read_to_write + i.run
    fetched = max(i.write_to_read, _next_row(i) - weights_closed)
    opened = weights_closed + fetched - i.read_to_precharge - i.timing.trp
    before_even = fetched + _even_cleared(i, fetched=fetched, opened=opened)
    before_odd = fetched + _odd_cleared(i, fetched=fetched)
    between_odd = i.write_to_read + _odd_cleared(i, fetched=i.write_to_read)
    cycles = even * even_tile + (even - 1) * before_even
    return cycles + (odd * odd_tile + before_odd + (odd - 1) * between_odd if odd else 0)


def _even_cleared(i: Intervals, *, fetched: int, opened: int, sums: bool = True) -> int:
    """First read of zeros to the first weight; the zeros' row has been open for `opened`.

    The zeros are `fetched` so long after the last sum, if there are `sums` to be closed.
    """
    registers = _registers_after_zeros(i, fetched) if sums else i.read_to_write
    weights = i.read_then_read(opened + i.run) - registers - i.run
    return i.run + registers + i.run + max(i.write_to_read, weights)


def _odd_cleared(i: Intervals, *, fetched: int) -> int:
    """The same where the weights lie in the banks of the registers."""
    registers = _registers_after_zeros(i, fetched)
    return i.run + registers + i.run + i.write_then_read(i.write_run_opened)


def _registers_after_zeros(i: Intervals, fetched: int) -> int:
    """Last read of zeros to the first register write, in the banks where sums were written."""
    return max(i.read_to_write, i.write_then_write(i.write_run_opened) - fetched - i.run)


def add(i: Intervals, passes: int) -> Kernel:
    """Two operands, one result; also of mul."""
    result = i.run + i.read_then_write(i.read_run_opened) + i.run
    half = i.run + i.read_then_read(i.settled) + result
    late = i.read_then_read(_first_opened(i, i.run)) - i.read_then_read(i.settled)
    return _elementwise(i, passes, half, late=late, reads=(1, 1))


def sub(i: Intervals, passes: int) -> Kernel:
    """An addition of the second operand times -1, a scalar that is written like BatchNorm's."""
    return _with_scalars(i, add(i, passes))


def relu(i: Intervals, passes: int) -> Kernel:
    half = i.run + i.read_then_write(i.settled) + i.run
    late = i.read_then_write(_first_opened(i, i.run)) - i.read_then_write(i.settled)
    return _elementwise(i, passes, half, late=late, reads=(1,))


def batchnorm(i: Intervals, passes: int) -> Kernel:
    """Every burst is read twice: once to be scaled, once to be shifted, by scalar registers."""
    twice = i.run + i.column + i.run
    half = twice + i.read_then_write(i.settled) + i.run
    late = i.read_then_write(_first_opened(i, twice)) - i.read_then_write(i.settled)
    return _with_scalars(i, _elementwise(i, passes, half, late=late, reads=(2,)))


def _elementwise(
    i: Intervals, passes: int, half: int, *, late: int, reads: tuple[int, ...]
) -> Kernel:
    """`half` lasts from the first read in one half of the banks to the last write there.

    `reads` has an entry for each row that is read: how many runs are read from it. `late` is what
    tRAS or tRC add to the first half of all, whose first row is opened just in time.
    """
    registers, halves = i.geometry.registers, 2 * passes
    first = _first_read(i) - i.write_to_read + late
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


def _first_read(i: Intervals) -> int:
    """From the start of PIM mode to a read in the even banks, where its row was left open."""
    return i.write_then_read(opened=i.timing.trcdwr)


def _first_opened(i: Intervals, reads: int) -> int:
    """How long the row of the first reads, which take `reads` cycles, is open at their last."""
    activated = i.reopen(i.write_to_precharge, opened=i.timing.trcdwr)
    return _first_read(i) - activated + reads


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

    Meanwhile PIM mode is started again, after which the even banks open the next weights.
    """
    started, opened = _mode_again(i, tiles)
    registers = max(i.write_then_write(i.write_run_opened), started + i.column)
    weights_open = started + i.write_then_read(opened=started - opened)
    return i.run + registers + max(0, weights_open - (registers + i.run + i.write_to_read))


def _mode_again(i: Intervals, tiles: int) -> tuple[int, int]:
    """Last write of sums to the write that starts PIM mode again, and to the ACT of its row.

    PIM mode is ended and started by two writes in the even banks, which wait for the sums, and for
    the weights to be closed where a single tile was read just before.
    """
    idle = i.read_to_write + i.run
    closed = i.read_to_precharge + i.timing.trp - idle if tiles == 1 else 0
    opened = max(1, closed)
    return max(opened + i.timing.trcdwr, i.column) + i.column, opened


def _stream(i: Intervals) -> int:
    """First to last read of a tile's weights."""
    g = i.geometry
    return (g.tile_bursts - g.tile_rows) * i.column + (g.tile_rows - 1) * _next_row(i)


def _next_row(i: Intervals) -> int:
    return i.read_then_read(i.row_read_opened)
