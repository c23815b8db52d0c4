"""`stagecut sweep`: what another speed, or another device, would make of the optimum."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import decoding, limits
from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, progress_bars, say
from stagecut.compiler.cli.outputs import check_outputs
from stagecut.compiler.cli.tables import by_length, without_lengths
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.cli.sweep_page import Page
    from stagecut.compiler.context import Settings
    from stagecut.compiler.ir.costs import CostTable
    from stagecut.compiler.ir.costs_by_length import CostsByLength
    from stagecut.compiler.ir.objective import Objective
    from stagecut.passes.sweep.catalogue import Choice
    from stagecut.passes.sweep.lengths import LengthCurve
    from stagecut.passes.sweep.speed_map import SpeedMap
    from stagecut.passes.sweep.sweep import Curve, Sweep

_RANGE = re.compile(r"(?P<part>.+)=(?P<low>[^=]+?)\.\.(?P<high>[^=]+)")


def sweep(
    context: typer.Context,
    costs: Annotated[
        str,
        typer.Argument(
            metavar="COSTS|MODEL",
            help="A cost table (.json), such as `profile` writes; or a model, which is profiled.",
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
      stagecut sweep costs.json --scale pim.hbm=0.05..100 --scale cpu.serial=0.5..2 --csv curve.csv
      stagecut sweep costs.json --scale pim.hbm=0.1..10 --scale transfers=0.1..10 --map
      stagecut sweep zoo:bert-small --set pim.hbm:channels=16,32,64 --price 10,18,32
      stagecut sweep costs.json --scale transfers=0.01..1000 --png curve.png --html curve.html
      stagecut sweep zoo:gpt2:past=1024 --length 128,512,1000 --device cpu.serial --device pim.aim
    """
    from stagecut.compiler.cli import sweep_drawing as draws
    from stagecut.compiler.cli.searching import Searching
    from stagecut.compiler.ir.objective import parse_objective
    from stagecut.passes.sweep.catalogue import Catalogue
    from stagecut.passes.sweep.lengths import LengthSweep
    from stagecut.passes.sweep.speed_map import speed_map

    goal = parse_objective(objective)
    asked = [_sweep(text, goal, time_limit) for text in scale or ()]
    is_table = costs.endswith(".json")
    lengths = decoding.parse_lengths(length)
    known = _known_by_length(Path(costs), lengths) if is_table else None
    along = len(lengths) > 1 or (known is not None and not lengths)
    if along:
        _refuse_along_length(
            twice=known is not None and bool(lengths),
            others=[*asked, *(set_ or ()), map_, shape, png, html],
        )
    else:
        _refuse(len(asked), bool(set_), map_)
    entries = [each for text in set_ or () for each in _entries(text)]
    names = tuple(each.partition("=")[0] for each in entries)
    _refuse_twins(names)
    prices = _prices(price, len(names))
    catalogue = Catalogue(names, goal, time_limit, Searching(goal), progress_bars(), prices)
    if entries and is_table:
        raise UsageError(
            "a cost table holds no device that could be asked anew",
            where="--set",
            fix="name the model instead of its costs",
        )
    check_outputs({"--csv": csv, "--png": png, "--html": html}, (Path(costs),))
    for option in [name for name, path in {"--png": png, "--html": html}.items() if path]:
        draws.check_installed(option)
    settings = common.make_settings(
        cache_dir=cache_dir, no_cache=no_cache, notes=context.obj, effort=effort
    )
    rules = common.read_rules(pin, forbid)
    title = Path(costs).name
    if along:
        steps = known or _profiled_by_length(costs, lengths, device, settings)
        steps = replace(steps, tables=tuple(map(rules, steps.tables)))
        curve = LengthSweep(goal, time_limit, Searching(goal), progress_bars())(steps)
        answer = _of_lengths(curve, steps)
    else:
        table = rules(
            _table(Path(costs), known, lengths)
            if is_table
            else _profiled(costs, lengths, device, entries, shape, settings)
        )
        if entries:
            specs = dict(zip(names, entries, strict=True))
            answer = _of_choices(title, catalogue(table), specs, goal)
        elif map_:
            answer = _of_map(title, speed_map(asked[0], asked[1], table))
        else:
            answer = _of_curves(title, [one(table) for one in asked])
    answer.write(csv, png, html)
    if json:
        print_json("stagecut.sweep/1", {"costs": costs, **answer.document})
    else:
        say(*answer.lines)


def _known_by_length(file: Path, lengths: Sequence[int]) -> "CostsByLength | None":
    """What is in the file; None for an ordinary table, of which no `lengths` can be asked."""
    found = by_length(file)
    if found is None and lengths:
        raise without_lengths(file)
    return found


def _table(file: Path, known: "CostsByLength | None", lengths: Sequence[int]) -> "CostTable":
    """At the one length that is asked for, where the costs are `known` by length."""
    from stagecut.compiler.formats.costs_json import read_costs

    return read_costs(file) if known is None else known.at(lengths[0])


def _profiled(
    model: str,
    lengths: Sequence[int],
    device: Sequence[str] | None,
    entries: Sequence[str],
    shape: list[str] | None,
    settings: "Settings",
) -> "CostTable":
    from stagecut import backends
    from stagecut.compiler.profiling import profile_model

    return profile_model(
        model,
        devices=[*(device or backends.real_devices()), *entries],
        shapes=common.parse_shapes(shape),
        decoding=decoding.at_length(lengths),
        settings=settings,
    ).costs


def _profiled_by_length(
    model: str, lengths: Sequence[int], device: Sequence[str] | None, settings: "Settings"
) -> "CostsByLength":
    from stagecut import backends
    from stagecut.compiler.profiling import profile_by_length

    devices = [*(device or backends.real_devices())]
    return profile_by_length(model, lengths, devices=devices, settings=settings)


def _refuse_along_length(*, twice: bool, others: Sequence[object]) -> None:
    """A sweep along the length is a question of its own."""
    if twice:
        raise UsageError(
            "the lengths are those of the file",
            where="--length",
            fix="leave it out; or give one length, with --scale",
        )
    if any(others):
        raise UsageError(
            "along the length, nothing else changes, and nothing is drawn",
            where="sweep",
            fix="give one --length with --scale or --set; or several and none of these, no --map, "
            "--shape, --png and --html",
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was found, in every form in which it can be had; `rows` are the CSV, and `page` makes
    what is drawn, where anything is."""

    document: Mapping[str, object]
    lines: Iterable[str]
    rows: str
    page: "Callable[[], Page] | None" = None

    def write(self, csv: Path | None, png: Path | None, html: Path | None) -> None:
        from stagecut.compiler.cli import sweep_drawing as draws

        _write(csv, self.rows.encode)
        if self.page is not None and (png or html):
            page = self.page()
            _write(png, lambda: draws.png(page.drawing))
            _write(html, lambda: str(page).encode())


def _of_lengths(curve: "LengthCurve", steps: "CostsByLength") -> _Answer:
    from stagecut.compiler.cli import by_length_output as says

    document, lines = says.curve_document(curve, steps), says.curve_lines(curve, steps)
    return _Answer(document, lines, says.curve_csv(curve))


def _of_curves(title: str, curves: "Sequence[Curve]") -> _Answer:
    from stagecut.compiler.cli import sweep_drawing as draws
    from stagecut.compiler.cli import sweep_output as says
    from stagecut.compiler.cli import sweep_page as pages

    return _Answer(
        says.curves_document(curves),
        says.curves_lines(curves),
        says.curves_csv(curves),
        lambda: pages.curves_page(title, curves, draws.curves_drawing(curves)),
    )


def _of_map(title: str, found: "SpeedMap") -> _Answer:
    from stagecut.compiler.cli import sweep_drawing as draws
    from stagecut.compiler.cli import sweep_map_output as maps
    from stagecut.compiler.cli import sweep_page as pages

    return _Answer(
        maps.map_document(found),
        maps.map_lines(found),
        maps.map_csv(found),
        lambda: pages.map_page(title, found, draws.map_drawing(found)),
    )


def _of_choices(
    title: str, choices: "Sequence[Choice]", specs: Mapping[str, str], goal: "Objective"
) -> _Answer:
    from stagecut.compiler.cli import sweep_drawing as draws
    from stagecut.compiler.cli import sweep_output as says
    from stagecut.compiler.cli import sweep_page as pages

    def page() -> "Page":
        names = {choice.device: says.spec(choice, specs) or "without" for choice in choices}
        drawing = draws.choices_drawing(choices, names, goal)
        return pages.choices_page(title, choices, specs, goal, drawing)

    return _Answer(
        says.choices_document(choices, specs, goal),
        says.choices_lines(choices, specs, goal),
        says.choices_csv(choices, specs),
        page,
    )


def _write(path: Path | None, content: Callable[[], bytes]) -> None:
    from stagecut.compiler.formats.atomic import replacing

    if path is not None:
        with replacing(path) as temporary:
            temporary.write_bytes(content())


def _refuse(scales: int, is_catalogue: bool, is_map: bool) -> None:
    if bool(scales) == is_catalogue:
        raise UsageError(
            "asks for nothing" if not scales else "--scale and --set are different questions",
            where="sweep",
            fix="give --scale PART=LOW..HIGH, or --set DEVICE:KEY=A,B,...",
        )
    if is_map and scales != 2:
        raise UsageError(
            "a map is one of two speeds",
            where="--map",
            fix="give --scale PART=LOW..HIGH twice",
        )


def _refuse_twins(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two devices would be called {name}",
                where="--set",
                fix="ask for each value of an option in one --set",
            )


def _sweep(text: str, objective: "Objective", limit_s: float) -> "Sweep":
    from stagecut.compiler.cli.searching import Searching
    from stagecut.passes.sweep.scale import Scale
    from stagecut.passes.sweep.sweep import Sweep

    match = _RANGE.fullmatch(text)
    try:
        if match is not None:
            low, high = float(match["low"]), float(match["high"])
            return Sweep(
                Scale(match["part"]),
                low,
                high,
                objective,
                limit_s,
                Searching(objective),
                progress_bars(),
            )
    except ValueError:
        pass
    raise UsageError(
        f"{text!r} is not PART=LOW..HIGH",
        where="--scale",
        fix="write --scale transfers=0.01..1000",
    )


def _prices(text: str | None, count: int) -> tuple[float, ...]:
    """One for each of `count` entries; none where none were given."""
    if text is None:
        return ()
    if not count:
        raise UsageError("prices are those of --set", where="--price", fix="leave it out")
    try:
        prices = tuple(map(float, text.split(",")))
    except ValueError:
        prices = ()
    if len(prices) != count or not all(0 <= price < math.inf for price in prices):
        raise UsageError(
            f"{text!r} is no price for each of {count} devices",
            where="--price",
            fix="write a number for each value of --set: --price 10,18,32",
        )
    return prices


def _entries(text: str) -> list[str]:
    """`pim.hbm:channels=16,32` -> `channels-16=pim.hbm:channels=16` and the same for 32; options
    that stand before the last one are the same for all: `pim.hbm:refresh=off,channels=16,32`."""
    from stagecut.backends.spec import LONGEST_NAME

    device, _, options = text.partition(":")
    *fixed, varied = re.split(r",(?=[^,=]*=)", options)
    key, equals, values = varied.partition("=")
    listed = [*dict.fromkeys(values.split(","))]
    if not (device and key and equals and all(listed)):
        raise UsageError(
            f"{text!r} is not DEVICE:KEY=A,B,...",
            where="--set",
            fix="write --set pim.hbm:channels=16,32,64",
        )
    # Values that are paths may be too long for a name, or differ in what names cannot hold.
    names = [f"{key}-{re.sub('[^A-Za-z0-9._-]', '-', value)}" for value in listed]
    if len(set(names)) < len(names) or max(map(len, names)) > LONGEST_NAME:
        names = [f"{key}-{number}" for number in range(len(listed))]
    return [
        f"{name}={device}:{','.join((*fixed, f'{key}={value}'))}"
        for name, value in zip(names, listed, strict=True)
    ]
