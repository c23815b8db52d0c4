"""`stagecut import-costs`: a workload of others as a cost table."""

from pathlib import Path
from typing import Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, say
from stagecut.compiler.cli.outputs import check_outputs

_UNITS = {"ms": 1e-3, "us": 1e-6, "s": 1.0}


def import_costs(
    workload: Annotated[
        Path,
        typer.Argument(metavar="WORKLOAD.json", help="A workload of msr-fiddle/dnn-partitioning."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The cost table to write.")],
    unit: Annotated[
        str, typer.Option(metavar="ms|us|s", help="What 1 is in the file, which does not say.")
    ] = "ms",
    json: common.JsonOption = False,
) -> None:
    """Write a workload of msr-fiddle/dnn-partitioning as a cost table.

    Its accelerators become acc0, acc1, ..., each with a memory of its own; nodes of one colour
    class become one node, as they must share a device.

      stagecut import-costs bert_l-3_inference.json -o costs.json
      stagecut partition costs.json --method all
    """
    from stagecut.compiler.formats.atomic import replacing
    from stagecut.compiler.formats.costs_json import write_costs
    from stagecut.compiler.formats.dnn_partitioning_json import read_workload

    unit_s = _UNITS[common.one_of(unit, tuple(_UNITS), "--unit")]
    check_outputs({"--output": output}, (workload,))
    table = read_workload(workload, unit_s)
    with replacing(output) as temporary:
        temporary.write_text(write_costs(table), "utf-8")
    nodes, devices = len(table.nodes), [device.name for device in table.machine.devices]
    if json:
        print_json(
            "stagecut.import-costs/1", {"costs": str(output), "nodes": nodes, "devices": devices}
        )
    else:
        say(f"wrote {output}: {nodes} nodes, on {', '.join(devices)}")
