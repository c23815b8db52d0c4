"""Estimates and layouts of single operators, in lines for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stagecut.backends.pim.layout import bands
from stagecut.compiler.ir import units

if TYPE_CHECKING:
    from stagecut.backends.pim.estimate import OperatorEstimate
    from stagecut.backends.pim.layout import Layout


def estimate_lines(estimate: "OperatorEstimate") -> list[str]:
    commands, split = estimate.commands, estimate.split
    taken = f"{units.seconds(estimate.run_s)} ({estimate.basis})"
    lines = [
        f"{estimate.op} on {estimate.device}: {taken}",
        f"  kernel     {estimate.cycles} cycles",
        f"  read-back  {estimate.readback_cycles} cycles",
        f"  commands   {commands.rd} RD, {commands.wr} WR, {commands.act} ACT",
        f"  operands   {units.size(estimate.bytes_padded)}, padding included",
    ]
    if split is not None:
        cycles = f"{split.cycles} + {split.readback_cycles} cycles"
        lines.append(
            f"  split      {split.ways} channels share an output, {cycles}: faster, so used"
        )
    if estimate.load_s:
        lines.append(f"  weights    {units.seconds(estimate.load_s)} to load, once")
    return [*lines, f"  energy     {units.scaled(estimate.energy_j, 'J')}"]


def layout_lines(layout: "Layout") -> list[str]:
    """A line for tiles with the same inputs in the same rows; rows and numbers count from 0."""
    header = ("inputs", "outputs", "channels", "banks", "rank", "rows")
    rows = [
        (
            _span(*band.inputs),
            _span(*band.outputs),
            _numbers(band.channels),
            _numbers(band.banks),
            str(band.rank),
            _span(*band.rows),
        )
        for band in bands(layout.tiles)
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, *rows)
    ]
    return [
        f"  room       {units.size(layout.weight_bytes)}, gaps included",
        *(f"  {line}".rstrip() for line in table),
    ]


def _span(first: int, stop: int) -> str:
    return f"{first}..{stop - 1}" if stop - first > 1 else str(first)


def _numbers(numbers: Sequence[int]) -> str:
    """`0..63`, `0, 2 .. 14`, `5`."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 2 and last - first == 2 * (len(numbers) - 1):
        return f"{first}, {numbers[1]} .. {last}"
    if last - first == len(numbers) - 1:
        return _span(first, last + 1)
    return ", ".join(map(str, numbers))
