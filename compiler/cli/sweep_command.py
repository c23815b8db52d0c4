"""`stagecut sweep`: what another speed, or another device, would make of the optimum."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import decoding, limits
from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, progress_bars, say
from stagecut.compiler.cli.outputs import check_outputs

if TYPE_CHECKING:
    from stagecut.compiler.context import Settings
    from stagecut.compiler.ir.costs import CostTable
    from stagecut.compiler.ir.costs_by_length import CostsByLength


def sweep(
    context: typer.Context,
    costs: Annotated[
        str,
        typer.Argument(
            metavar="COSTS|PLAN|MODEL",
            help="A cost table (.json), such as `profile` writes; a plan, which holds the one that "
            "it was made from, of a decoder those of its step; or a model, which is profiled.",
        ),
    ],
    scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=LOW..HIGH",
            help="So many times as fast: a device (pim.hbm=0.05..100), a route "
            "('host>pim.hbm=0.1..10'), or all transfers (transfers=0.01..1000). May be repeated.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="DEVICE:KEY=A,B,...",
            help="A modelled device with each of these values in turn: pim.hbm:channels=16,32,64. "
            "The real devices are measured once for all of them. May be repeated.",
        ),
    ] = None,
    map_: Annotated[
        bool,
        typer.Option(
            "--map", help="Vary two parts at once: the regions in which each schedule is the best."
        ),
    ] = False,
    price: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="What each device of --set costs (money, area): says which ones nothing is better "
            "than for no more.",
        ),
    ] = None,
    length: decoding.LengthsOption = None,
    device: common.DeviceOption = None,
    shape: common.ShapeOption = None,
    objective: common.ObjectiveOption = "latency",
    pin: common.PinOption = None,
    forbid: common.ForbidOption = None,
    effort: limits.EffortOption = "normal",
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.0, help="How long each search may take.")
    ] = 60.0,
    cache_dir: common.CacheOption = None,
    no_cache: common.NoCacheOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the curve, or the choices, as CSV.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it (needs Matplotlib).")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with the drawing (needs Matplotlib)."),
    ] = None,
    json: common.JsonOption = False,
) -> None:
    """Say how the optimum changes with the speed of a device or of a link, or with the length of a
    decoder's sequence, exactly.

    The optimum over all schedules is a curve made of few pieces: every speed at which something
    moves is found, and proved, by two partitions a piece.

      stagecut sweep costs.json --scale transfers=0.01..1000
      stagecut sweep bert.plan --scale pim.hbm=0.1..10
      stagecut sweep costs.json --scale pim.hbm=0.05..100 --scale cpu.serial=0.5..2 --csv curve.csv
      stagecut sweep costs.json --scale pim.hbm=0.1..10 --scale transfers=0.1..10 --map
      stagecut sweep zoo:bert-small --set pim.hbm:channels=16,32,64 --price 10,18,32
      stagecut sweep costs.json --scale transfers=0.01..1000 --png curve.png --html curve.html
      stagecut sweep zoo:gpt2:past=1024 --length 128,512,1000 --device cpu.serial --device pim.aim
    """
    from stagecut.compiler.cli import sweep_answer as answers
    from stagecut.compiler.cli import sweep_asked as reads
    from stagecut.compiler.cli.searching import Searching
    from stagecut.compiler.cli.sweep_drawing import check_installed
    from stagecut.compiler.ir.objective import parse_objective
    from stagecut.passes.sweep.catalogue import Catalogue
    from stagecut.passes.sweep.lengths import LengthSweep
    from stagecut.passes.sweep.speed_map import speed_map

    goal = parse_objective(objective)
    asked = [reads.read_sweep(text, goal, time_limit) for text in scale or ()]
    given = reads.read_given(costs, shape)
    lengths = decoding.parse_lengths(length)
    known = None if given is None else given.by_length(lengths)
    along = len(lengths) > 1 or (known is not None and not lengths)
    if along:
        reads.check_along_length(
            twice=known is not None and bool(lengths),
            others=[*asked, *(set_ or ()), map_, shape, png, html],
        )
    else:
        reads.check_question(len(asked), is_catalogue=bool(set_), is_map=map_)
    entries = [each for text in set_ or () for each in reads.read_entries(text)]
    names = tuple(each.partition("=")[0] for each in entries)
    reads.check_names(names)
    prices = reads.read_prices(price, len(names))
    catalogue = Catalogue(names, goal, time_limit, Searching(goal), progress_bars(), prices)
    if given is not None:
        reads.check_known(names, device, shape if given.variant is None else None)
    check_outputs({"--csv": csv, "--png": png, "--html": html}, (Path(costs),))
    for option in [name for name, path in {"--png": png, "--html": html}.items() if path]:
        check_installed(option)
    settings = common.make_settings(
        cache_dir=cache_dir, no_cache=no_cache, notes=context.obj, effort=effort
    )
    rules = common.read_rules(pin, forbid)
    title = Path(costs).name
    if along:
        steps = known or _profiled_by_length(costs, lengths, device, settings)
        steps = replace(steps, tables=tuple(map(rules, steps.tables)))
        curve = LengthSweep(goal, time_limit, Searching(goal), progress_bars())(steps)
        answer = answers.of_lengths(curve, steps)
    else:
        table = rules(
            _profiled(costs, lengths, device, entries, shape, settings)
            if given is None
            else given.at(known, lengths[0] if lengths else None)
        )
        if entries:
            specs = dict(zip(names, entries, strict=True))
            answer = answers.of_choices(title, catalogue(table), specs, goal)
        elif map_:
            answer = answers.of_map(title, speed_map(asked[0], asked[1], table))
        else:
            answer = answers.of_curves(title, [one(table) for one in asked])
    answer.write(csv, png, html)
    if json:
        print_json("stagecut.sweep/1", {"costs": costs, **answer.document})
    else:
        say(*answer.lines)


def _profiled(
    model: str,
    lengths: Sequence[int],
    device: Sequence[str] | None,
    entries: Sequence[str],
    shape: Sequence[str] | None,
    settings: "Settings",
) -> "CostTable":
    from stagecut.compiler.profiling import profile_model

    return profile_model(
        model,
        devices=[*(device or _real_devices(settings)), *entries],
        shapes=common.parse_shapes(shape),
        decoding=decoding.at_length(lengths),
        settings=settings,
    ).costs


def _profiled_by_length(
    model: str, lengths: Sequence[int], device: Sequence[str] | None, settings: "Settings"
) -> "CostsByLength":
    from stagecut.compiler.profiling import profile_by_length

    devices = [*(device or _real_devices(settings))]
    return profile_by_length(model, lengths, devices=devices, settings=settings)


def _real_devices(settings: "Settings") -> Sequence[str]:
    from stagecut import backends

    return backends.real_devices(listener=common.listener(settings.notes))
