"""`stagecut hosts`: measure the hosts of a running cluster, for plans over several of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, progress_bars, say
from stagecut.compiler.cli.outputs import check_outputs
from stagecut.compiler.ir import units

if TYPE_CHECKING:
    from stagecut.compiler.ir.measured_machine import MeasuredMachine


def hosts(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The machine file to write.")
    ] = Path("machine.json"),
    cluster: common.ClusterOption = "auto",
    insecure: common.InsecureOption = False,
    json: common.JsonOption = False,
) -> None:
    """Measure hosts and links of a running Ray cluster, and write machine.json for compile.

    Hosts are compared by a small model on each device, while the others rest and while they
    compute; links are measured by size through Ray itself, with every host busy. Run it on the host
    where inputs will start.

    stagecut hosts -o machine.json
    stagecut compile model.onnx -o model.plan --machine machine.json
    stagecut run model.plan --cluster auto --random 0
    """
    from stagecut.compiler.formats.atomic import replacing
    from stagecut.compiler.formats.machine_json import write_machine
    from stagecut.runtime.hosts.calibrate import calibrate
    from stagecut.runtime.hosts.cluster import connected

    check_outputs({"--output": output}, ())
    with connected(cluster or "auto", insecure=insecure) as joined:
        machine = calibrate(joined, progress_bars())
    with replacing(output) as temporary:
        temporary.write_text(write_machine(machine), "utf-8")
    if json:
        print_json("stagecut.hosts/1", _document(machine, output))
    else:
        _show(machine, output)


def _document(machine: "MeasuredMachine", output: Path) -> dict[str, object]:
    return {
        "machine": str(output),
        "hosts": [
            {
                "name": host.name,
                "address": host.address,
                "cpus": host.cpus,
                "capacity_bytes": host.capacity_bytes,
                "call_s": host.call_s,
                "handling_s": host.handling_s,
                "loaded_factor": host.loaded_factor,
                "probe_s": {device.name: device.probe_s for device in host.devices},
            }
            for host in machine.hosts
        ],
        "links": [
            {
                "source": link.source,
                "target": link.target,
                "transfer_s": {str(each.size_bytes): each.time_s for each in link.samples},
            }
            for link in machine.links
        ],
    }


#: A small value, one on each side of where the engine's ways part, and a large one.
_SHOWN_BYTES = (1_000, 96_000, 110_000, 1_000_000)


def _show(machine: "MeasuredMachine", output: Path) -> None:
    for host in machine.hosts:
        handled = f" ({units.seconds(host.handling_s)} of work at either end)"
        call = f", a call {units.seconds(host.call_s)}{handled}"
        call = call if host.call_s else ", inputs start here"
        room = (
            "" if host.capacity_bytes is None else f", {units.size(host.capacity_bytes)} of weights"
        )
        say(f"{host.name} at {host.address}: {host.cpus} CPUs{room}{call}")
        for device in host.devices:
            say(f"  {device.name}: {units.seconds(device.probe_s)} for the probe")
        say(f"  while all other hosts compute, {host.loaded_factor:.2f} times as long")
    for link in machine.links:
        sizes = ", ".join(
            f"{units.size(each)} {units.seconds(link.transfer_s(each))}" for each in _SHOWN_BYTES
        )
        say(f"{link.source} > {link.target}: {sizes}")
    say(f"wrote {output}; `stagecut compile MODEL -o PLAN --machine {output}` plans for it")
