"""A product that stores the sums of every input tile, for the host to add up in a tree.

    each tile   8 reads of zeros, 8 writes to the registers, 64 reads of weights, 8 writes of sums

The zeros clear the registers. They lie in the even banks, in a row that is written beforehand, one
bank at a time.
"""

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel, first_opened, first_read
from stagecut.backends.pim.hbm.products import mode_again, next_row, stream


def tree_product(i: Intervals, *, steps: int, tiles: int) -> Kernel:
    """`steps` output tiles (times the activation's rows) of `tiles` input tiles each."""
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
        # a tile opens its weight rows, the register row, the sums' row and the zeros' row
        activates=fixed.activates(i) + g.banks + steps * (tiles * (g.tile_rows + 3) + 1),
    )


def _tree_step(i: Intervals, tiles: int) -> int:
    """First weight of a step's first tile to the last sum of its last tile."""
    even, odd = (tiles + 1) // 2, tiles // 2
    even_tile = stream(i) + i.read_to_write + i.run
    odd_tile = stream(i) + i.read_then_write(i.row_read_opened) + i.run
    # the zeros' row is opened again after weights that lay in the same banks
    weights_closed = i.read_to_write + i.run
    fetched = max(i.write_to_read, next_row(i) - weights_closed)
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
