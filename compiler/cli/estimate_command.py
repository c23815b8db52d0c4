"""`stagecut estimate`: what a modelled device takes for one operator."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.ir import units

if TYPE_CHECKING:
    from stagecut.backends.pim.estimate import OperatorEstimate
    from stagecut.backends.pim.layout import Layout


def estimate(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="A modelled device, e.g. pim.hbm:channels=64.")
    ],
    op: Annotated[str, typer.Argument(metavar="OP", help="An ONNX operator, e.g. MatMul.")],
    shape: Annotated[
        list[str],
        typer.Option("--shape", metavar="1x1024", help="The shape of each operand, in order."),
    ],
    dtype: Annotated[
        str | None, typer.Option(metavar="float16", help="The number format of the operands.")
    ] = None,
    layout: Annotated[
        bool, typer.Option("--layout", help="Show where each tile of the weight lies.")
    ] = False,
    json: common.JsonOption = False,
) -> None:
    """Say what a modelled device takes for one operator.

    The second operand of MatMul and Gemm is the weight, which lies in the memory already.

      stagecut estimate pim.hbm MatMul --shape 1x1024 --shape 1024x4096
      stagecut estimate pim.hbm:channels=16,refresh=off Add --shape 65536 --shape 65536 --json
      stagecut estimate pim.hbm:channels=4 MatMul --shape 1x256 --shape 256x512 --layout
    """
    from stagecut.backends.pim import estimate as model

    shapes = [common.parse_shape(text) for text in shape]
    found = model.estimate(device, op, shapes, dtype)
    placed = model.layout(device, op, shapes, dtype) if layout else None
    if json:
        extra = {} if placed is None else {"layout": asdict(placed)}
        common.print_json({**asdict(found), **extra})
        return
    _show(found)
    if placed is not None:
        _show_layout(placed)


def _show(found: "OperatorEstimate") -> None:
    typer.echo(f"{found.op} on {found.device}: {units.seconds(found.run_s)} ({found.basis})")
    typer.echo(f"  kernel     {found.cycles} cycles")
    typer.echo(f"  read-back  {found.readback_cycles} cycles")
    commands = found.commands
    typer.echo(f"  commands   {commands.rd} RD, {commands.wr} WR, {commands.act} ACT")
    typer.echo(f"  operands   {units.size(found.bytes_padded)}, padding included")
    if found.split is not None:
        split = found.split
        cycles = f"{split.cycles} + {split.readback_cycles} cycles"
        typer.echo(f"  split      {split.ways} channels share an output, {cycles}: faster, so used")
    if found.load_s:
        typer.echo(f"  weights    {units.seconds(found.load_s)} to load, once")
    typer.echo(f"  energy     {units.scaled(found.energy_j, 'J')}")


def _show_layout(placed: "Layout") -> None:
    """A line for tiles with the same inputs in the same rows; rows and numbers count from 0."""
    from stagecut.backends.pim.layout import bands

    typer.echo(f"  room       {units.size(placed.weight_bytes)}, gaps included")
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
        for band in bands(placed.tiles)
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(f"  {'  '.join(cells)}".rstrip())


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
