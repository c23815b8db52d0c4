"""What `stagecut sweep` found, drawn: with Matplotlib, as PNG or as SVG.

curves     the optimum by the speed of a part, a dot with its number for each change; of several
           parts, first a tornado: bars to both sides of what the optimum takes as things stand
choices    the optimum by price, the devices that matter on a line; bars where there are no prices
map        the regions of two speeds, each with its letter
"""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, TypeAlias

from stagecut.compiler.cli.sweep_map_output import even_speeds, letter
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.sweep.catalogue import Choice, front
from stagecut.passes.sweep.regions import Corner
from stagecut.passes.sweep.speed_map import SpeedMap
from stagecut.passes.sweep.sweep import Breakpoint, Curve
from stagecut.passes.sweep.tornado import Tornado

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A drawing of so many inches across.
Drawing: TypeAlias = Callable[[float], "Figure"]

#: Okabe and Ito's colours, distinguishable to all.
_LINE, _DOT, _SOFT = "#0072b2", "#c04f00", "#5a646e"
_REGIONS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#999999", "#d55e00", "#0072b2")

#: Points of a curve between two changes, and of a side of a region.
_POINTS = 24

#: Steps of the grid on which letters are placed, and the points of it that a letter takes.
_GRID, _ROOM = 48, 10

#: So many numbers with their unit have room on an inch of an axis.
_NUMBERS_AN_INCH = 0.6

#: Two numbers stand so far apart, as a part of the width, and two labels of an axis.
_APART, _TICKS_APART = 0.03, 0.1


def png(drawing: Drawing) -> bytes:
    file = io.BytesIO()
    drawing(9.0).savefig(file, format="png", dpi=150, metadata={"Software": None})
    return file.getvalue()


def svg(drawing: Drawing, inches: float) -> str:
    """The element by itself; the same bytes for the same drawing."""
    import matplotlib as mpl

    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "stagecut", "svg.fonttype": "path"}):
        drawing(inches).savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]


def check_installed(option: str) -> None:
    """Raises UsageError where there is nothing to draw with."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise UsageError(
            "is drawn by Matplotlib, which is not installed",
            where=option,
            fix="pip install 'stagecut[plots]', or write the figures with --csv",
        ) from error
    del mpl


def curves_drawing(curves: Sequence[Curve], weighed: Tornado | None) -> Drawing:
    above = [] if weighed is None else [0.8 + 0.6 * len(weighed.bars)]

    def drawn(inches: float) -> "Figure":
        figure, all_axes = _figure(inches, [*above, *(3.2 for _ in curves)])
        if weighed is not None:
            _tornado(weighed, curves[0].objective, all_axes[0])
        for curve, axes in zip(curves, all_axes[len(above) :], strict=True):
            _curve(curve, axes)
        return figure

    return drawn


def _figure(inches: float, heights: Sequence[float]) -> "tuple[Figure, Sequence[Axes]]":
    """Axes below each other, of so many inches each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(inches, math.fsum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    return figure, [figure.add_subplot(grid[row, 0]) for row in range(len(heights))]


def _tornado(weighed: Tornado, objective: Objective, axes: "Axes") -> None:
    text = objective.text
    for row, bar in enumerate(weighed.bars):
        sides = (
            (bar.fast, bar.fast_total, _LINE, (-4, 0), "right"),
            (bar.slow, bar.slow_total, _DOT, (4, 0), "left"),
        )
        for speed, total, colour, away, side in sides:
            axes.barh(row, total - weighed.total, left=weighed.total, color=colour, height=0.5)
            said = f"{speed:g}x: {text(total)}"
            _note(axes, said, (total, row), away, side, middle=True)
        name = f"{bar.part} (1 % more speed saves {bar.elasticity:.2f} %)"
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        place = axes.get_yaxis_transform()
        axes.text(0.0, row - 0.32, name, transform=place, fontsize=9, bbox=paper)
    axes.axvline(weighed.total, ymax=0.9, color=_SOFT, linewidth=1)
    axes.set_yticks([])
    axes.set_ylim(len(weighed.bars) - 0.5, -0.85)
    axes.margins(x=0.3)
    axes.set_xlabel(f"least total; {text(weighed.total)} as things stand")
    _amounts_across(axes, text)
    axes.spines["left"].set_visible(False)
    _plain(axes)


def _curve(curve: Curve, axes: "Axes") -> None:
    text = curve.objective.text
    axes.set_xscale("log")
    for stretch in curve.stretches:
        speeds = [*even_speeds(stretch.low, stretch.high, _POINTS + 1)]
        axes.plot(speeds, [stretch.total(speed) for speed in speeds], color=_LINE, linewidth=2)
    for point in curve.breakpoints:
        axes.plot(point.at, point.total, "o", color=_DOT, markersize=4, zorder=3)
    for numbers, point in _numbered(curve):
        _note(axes, numbers, (point.at, point.total), (3, 4), "left")
    if curve.break_even is not None:
        axes.axvline(curve.break_even, color=_SOFT, linestyle="--", linewidth=1)
        said = f" break-even: {curve.break_even:.4g} "
        right = math.log(curve.break_even / curve.low) < 0.6 * math.log(curve.high / curve.low)
        axes.text(
            *(curve.break_even, 0.03, said),
            transform=axes.get_xaxis_transform(),
            ha="left" if right else "right",
            color=_SOFT,
            fontsize=9,
        )
    if curve.has(1.0):
        axes.axvline(1.0, color=_SOFT, linestyle=":", linewidth=1)
    axes.set_xlim((curve.low, curve.high) if curve.low < curve.high else None)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    _amounts(axes, text, f"speed of {curve.part}, times that of the table", "least total")


def _numbered(curve: Curve) -> Iterator[tuple[str, Breakpoint]]:
    """Numbers of changes with their places: those that are close together have one, `2-4`."""
    groups: list[list[int]] = []
    last = -math.inf
    for number, point in enumerate(curve.breakpoints):
        place = math.log(point.at / curve.low) / math.log(curve.high / curve.low)
        if place - last >= _APART:
            last = place
            groups.append([])
        groups[-1].append(number)
    for group in groups:
        first, end = group[0] + 1, group[-1] + 1
        text = f"{first}" if first == end else f"{first}-{end}"
        yield text, curve.breakpoints[group[0]]


def choices_drawing(
    choices: Sequence[Choice], names: Mapping[str, str], objective: Objective
) -> Drawing:
    """`names` are what the devices are called in the drawing, by their names in the table."""
    known = [
        (choice, choice.solution.certificate.total)
        for choice in choices
        if choice.solution is not None
    ]
    priced = choices[0].price is not None

    def drawn(inches: float) -> "Figure":
        figure, [axes] = _figure(inches, [3.8 if priced else 0.9 + 0.4 * len(known)])
        draw = _trade if priced else _bars
        draw(axes, known, names, objective)
        return figure

    return drawn


def _trade(
    axes: "Axes",
    known: Sequence[tuple[Choice, float]],
    names: Mapping[str, str],
    objective: Objective,
) -> None:
    on_front = front([choice for choice, _ in known])
    corners = sorted(
        (choice.price or 0.0, total) for choice, total in known if choice.device in on_front
    )
    axes.step(*zip(*corners, strict=True), where="post", color=_LINE, linewidth=1.5)
    option = next(name for device, name in names.items() if device).rpartition("=")[0]
    for choice, total in known:
        colour = _LINE if choice.device in on_front else _SOFT
        axes.plot(choice.price or 0.0, total, "o", color=colour, markersize=6)
        said = f"{names[choice.device].removeprefix(f'{option}=')}\n{objective.text(total)}"
        _note(axes, said, (choice.price or 0.0, total), (0, -28), "center")
    axes.margins(x=0.15, y=0.25)
    _amounts(axes, objective.text, f"price (of {option})", "least total")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0 if all(choice.price for choice, _ in known) else None)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value >= 0 else "")


def _bars(
    axes: "Axes",
    known: Sequence[tuple[Choice, float]],
    names: Mapping[str, str],
    objective: Objective,
) -> None:
    totals = [total for _, total in known]
    axes.barh([names[choice.device] for choice, _ in known], totals, color=_LINE, height=0.6)
    for row, total in enumerate(totals):
        _note(axes, objective.text(total), (total, row), (4, 0), "left", middle=True)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("least total")
    _amounts_across(axes, objective.text)


def map_drawing(found: SpeedMap) -> Drawing:
    first, second = found.sweeps

    def drawn(inches: float) -> "Figure":
        figure, [axes] = _figure(inches, [min(5.5, inches)])
        axes.set_xscale("log")
        axes.set_yscale("log")
        grid = _gridded(found)
        for region, colour in zip(found.regions, colours_of(grid, len(found.regions)), strict=True):
            sides = [*_sides(region.corners)]
            across, up = [1 / x for x, _ in sides], [1 / y for _, y in sides]
            axes.fill(across, up, facecolor=colour, edgecolor="white", linewidth=1, alpha=0.75)
        for index, at in _letters(grid):
            axes.text(*at, letter(index), ha="center", va="center", fontweight="bold")
        axes.set_xlim(first.low, first.high)
        axes.set_ylim(second.low, second.high)
        axes.set_xlabel(f"speed of {first.scale.part}, times that of the table")
        axes.set_ylabel(f"speed of {second.scale.part}")
        _plain(axes)
        return figure

    return drawn


def _sides(corners: Sequence[Corner]) -> Iterator[Corner]:
    """Points along the sides, which are straight in 1 / speed and not where they are drawn."""
    for (x, y), (to_x, to_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
        for step in range(_POINTS):
            part = step / _POINTS
            yield x + part * (to_x - x), y + part * (to_y - y)


def _gridded(found: SpeedMap) -> list[list[tuple[int, Corner]]]:
    """Of a grid of speeds, the region of each, with the logarithms of both speeds."""
    first, second = found.sweeps
    return [
        [
            (found.at(x, y), (math.log(x), math.log(y)))
            for y in even_speeds(second.low, second.high, _GRID + 1)
        ]
        for x in even_speeds(first.low, first.high, _GRID + 1)
    ]


def colours_of(grid: Sequence[Sequence[tuple[int, Corner]]], count: int) -> Iterator[str]:
    """One for each of `count` regions, another than its neighbours have while there are enough."""
    near: list[set[int]] = [set() for _ in range(count)]
    for lane in (*grid, *zip(*grid, strict=True)):
        for (one, _), (other, _) in pairwise(lane):
            near[one].add(other)
            near[other].add(one)
    chosen: list[int] = []
    for region in range(count):
        taken = {chosen[other] for other in near[region] if other < region}
        turns = (turn % len(_REGIONS) for turn in range(region, region + len(_REGIONS)))
        chosen.append(next((each for each in turns if each not in taken), region % len(_REGIONS)))
        yield _REGIONS[chosen[-1]]


def _letters(grid: Sequence[Sequence[tuple[int, Corner]]]) -> Iterator[tuple[int, Corner]]:
    """Regions with room for their letter, and where in them it stands: of the speeds that are the
    region's, and not at the edge, the one nearest to their middle."""
    cells: dict[int, list[Corner]] = {}
    for region, at in chain.from_iterable(lane[1:-1] for lane in grid[1:-1]):
        cells.setdefault(region, []).append(at)
    for region, own in cells.items():
        if len(own) >= _ROOM:
            middle = [math.fsum(axis) / len(own) for axis in zip(*own, strict=True)]
            x, y = min(own, key=lambda cell: math.dist(cell, middle))
            yield region, (math.exp(x), math.exp(y))


def _amounts_across(axes: "Axes", text: Callable[[float], str]) -> None:
    """So few numbers that none lies over another, on a telephone, too."""
    figure = axes.get_figure(root=True)
    inches = 0.0 if figure is None else figure.get_figwidth()
    axes.xaxis.set_major_formatter(lambda value, _: text(value) if value > 0 else "0")
    axes.locator_params(axis="x", nbins=max(2, round(_NUMBERS_AN_INCH * inches)))


def _amounts(axes: "Axes", text: Callable[[float], str], across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.yaxis.set_major_formatter(lambda value, _: text(value) if value > 0 else "0")
    axes.grid(visible=True, alpha=0.25)
    _plain(axes)


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.minorticks_off()
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_ticks([*_speeds(*axis.get_view_interval())])
            axis.set_major_formatter("{x:.4g}")


def _speeds(low: float, high: float) -> Iterator[float]:
    """Both ends, and the powers of ten that have room between them."""
    yield from dict.fromkeys((low, high))
    for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1):
        apart = (abs(power - math.log10(end)) for end in (low, high))
        if min(apart) > _TICKS_APART * math.log10(high / low):
            yield float(10**power) if power >= 0 else 1 / 10**-power


def _note(
    axes: "Axes",
    text: str,
    at: tuple[float, float],
    away: tuple[float, float],
    side: str,
    *,
    middle: bool = False,
) -> None:
    axes.annotate(
        text,
        at,
        away,
        textcoords="offset points",
        ha=side,
        va="center" if middle else "baseline",
        fontsize=9,
        color="#191d21",
    )
