"""`stagecut estimate`: what a modelled device takes for one operator."""

from typing import Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, say


def estimate(
    context: typer.Context,
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
    from stagecut import backends

    shapes = [common.parse_shape(text) for text in shape]
    model = backends.operator_model(device, common.listener(context.obj, 0.0))
    cost = backends.said(device, lambda: model.estimate_operator(op, shapes, dtype))
    place = (
        backends.said(device, lambda: model.place_operator(op, shapes, dtype)) if layout else None
    )
    if json:
        extra = {} if place is None else {"layout": place.document}
        print_json("stagecut.estimate/1", {**cost.document, **extra})
        return
    say(*cost.lines, *(() if place is None else place.lines))
