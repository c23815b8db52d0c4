"""`stagecut estimate`: what a modelled device takes for one operator."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler import units
from stagecut.compiler.cli import common

if TYPE_CHECKING:
    from stagecut.backends.pim.estimate import OperatorEstimate


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
    json: common.JsonOption = False,
) -> None:
    """Say what a modelled device takes for one operator.

    The second operand of MatMul and Gemm is the weight, which lies in the memory already.

      stagecut estimate pim.hbm MatMul --shape 1x1024 --shape 1024x4096
      stagecut estimate pim.hbm:channels=16,refresh=off Add --shape 65536 --shape 65536 --json
    """
    from stagecut.backends.pim.estimate import estimate as estimate_operator

    found = estimate_operator(device, op, [common.parse_shape(text) for text in shape], dtype)
    if json:
        common.print_json(asdict(found))
    else:
        _show(found)


def _show(found: "OperatorEstimate") -> None:
    typer.echo(f"{found.op} on {found.device}: {units.seconds(found.run_s)} ({found.basis})")
    typer.echo(f"  kernel     {found.cycles} cycles")
    typer.echo(f"  read-back  {found.readback_cycles} cycles")
    commands = found.commands
    typer.echo(f"  commands   {commands.rd} RD, {commands.wr} WR, {commands.act} ACT")
    typer.echo(f"  weights    {units.size(found.bytes_padded)}, padding included")
    typer.echo(f"  energy     {found.energy_j:.3g} J")
