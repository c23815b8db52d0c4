"""`stagecut import-costs`: cost tables out of what others publish."""

from pathlib import Path
from typing import Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, say
from stagecut.compiler.cli.outputs import check_outputs


def import_costs(
    workload: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A workload of msr-fiddle/dnn-partitioning, as JSON."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="COSTS", help="Write the cost table here.")
    ],
    json: common.JsonOption = False,
) -> None:
    """Make a cost table out of a published workload for placement.

    Accelerators and CPUs become devices; nodes that have to stay together become one.

      stagecut import-costs bert24_inference.json -o bert24.json
      stagecut partition bert24.json --objective throughput
    """
    from stagecut.compiler.formats.atomic import replacing
    from stagecut.compiler.formats.costs_json import write_costs
    from stagecut.compiler.formats.placement_json import read_placement

    check_outputs({"--output": output}, (workload,))
    table = read_placement(workload)
    with replacing(output) as temporary:
        temporary.write_text(write_costs(table), "utf-8")
    nodes, devices = len(table.nodes), len(table.machine.devices)
    if json:
        print_json(
            "stagecut.import_costs/1", {"costs": str(output), "nodes": nodes, "devices": devices}
        )
        return
    say(f"wrote {output}: {nodes} nodes, {devices} devices")
