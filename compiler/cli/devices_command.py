"""`stagecut devices`: what a model can run on here."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, say
from stagecut.compiler.ir.units import size
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.topology import Group, cpu_list, topology


def devices(
    context: typer.Context,
    topology_: Annotated[
        bool,
        typer.Option("--topology", help="Draw which CPUs share cores, caches and memory instead."),
    ] = False,
    json: common.JsonOption = False,
) -> None:
    """List the devices: real ones of this machine, and modelled ones.

    stagecut devices
    stagecut devices --topology
    stagecut devices --json
    """
    from stagecut import backends

    if topology_:
        _show_topology(json=json)
        return
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


def _show_topology(*, json: bool) -> None:
    groups, granted = topology(), usable_cpus()
    if json:
        print_json(
            "stagecut.topology/1", {"usable_cpus": granted, "groups": [*map(asdict, groups)]}
        )
        return
    allowed = sum(len(group.cpus) for group in groups)
    fewer = f", of which control groups grant the time of {granted}" if granted < allowed else ""
    say(f"{allowed} CPU{'s' if allowed > 1 else ''} may be used{fewer}", *_drawn(groups))


def _drawn(groups: Sequence[Group], depth: int = 1) -> Iterator[str]:
    """One group a line, those within it below."""
    for group in groups:
        holds = "" if group.size_bytes is None else f" {size(group.size_bytes)}"
        cpus = f"CPU{'s' if len(group.cpus) > 1 else ''} {cpu_list(group.cpus)}"
        yield f"{'  ' * depth}{group.name}{holds}: {cpus}"
        yield from _drawn(group.groups, depth + 1)
