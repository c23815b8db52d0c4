"""`stagecut estimate`: what a modelled device takes for one operator."""

from typing import Annotated

import typer

from stagecut.compiler.cli import common


def estimate(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="A modelled device's spec.")],
    op: Annotated[str, typer.Argument(metavar="OP", help="An ONNX operator, such as MatMul.")],
    shape: common.ShapeOption = None,
) -> None:
    """Estimate."""
    typer.echo(f"{device} {op} {shape}")
