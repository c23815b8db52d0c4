"""`stagecut devices`: what a model can run on here."""

from dataclasses import asdict

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, say


def devices(context: typer.Context, json: common.JsonOption = False) -> None:
    """List the devices: real ones of this machine, and modelled ones.

    stagecut devices
    stagecut devices --json
    """
    from stagecut import backends

    listed = backends.listed(common.listener(context.obj))
    if json:
        print_json("stagecut.devices/1", {"devices": [asdict(device) for device in listed]})
        return
    width = max(len(device.name) for device in listed)
    for device in listed:
        if device.available:
            about = f"{device.basis}, in memory {device.memory}: {device.description}"
        else:
            about = f"not available: {device.why_not}"
        say(f"{device.name:{width}}  {about}")
