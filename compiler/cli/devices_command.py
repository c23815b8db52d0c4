"""`stagecut devices`: what a model can run on here."""

from dataclasses import asdict

import typer

from stagecut.compiler.cli import options as common


def devices(json: common.JsonOption = False) -> None:
    """List the devices: real ones of this machine, and modelled ones.

    stagecut devices
    stagecut devices --json
    """
    from stagecut import backends

    found = backends.listed()
    if json:
        common.print_json([asdict(device) for device in found])
        return
    width = max(len(device.name) for device in found)
    for device in found:
        if device.available:
            about = f"{device.basis}, in memory {device.memory}: {device.description}"
        else:
            about = f"not available: {device.why_not}"
        typer.echo(f"{device.name:{width}}  {about}")
