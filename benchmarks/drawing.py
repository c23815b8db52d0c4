"""The benchmarks' plots: every value is written beside its bar or the end of its line, and nothing
hides what lies under it.

bars      one group for each model, a bar for each thing that it is compared with
panels    lines over a length or a size, side by side and with the same axes
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Name -> a value for each place; None where there is none.
Series: TypeAlias = Mapping[str, Sequence[float | None]]

#: How a value is written.
Text: TypeAlias = Callable[[float], str]

_DPI = 130

#: So many groups of bars stand below each other.
_MOST_GROUPS = 8

#: Of the label of an axis.
_LETTERS_PER_INCH = 10

#: What stands before a name in a legend, with the space behind it.
_SWATCH_INCHES = 0.9

#: Keeps what lies under a value from being read with it.
_CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}

#: How a line is told from one that it lies on, from the first to the last.
_STYLES = (("-", 5.0), ("--", 4.0), ("-.", 3.2), (":", 2.6), ((0, (5, 1)), 1.8), ("-", 1.0))
_MARKS = "osD^vP"

#: Between two labels at the ends of lines, as a part of the height.
_APART = 0.075


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over `places`, all of them with a value for each place."""

    title: str
    places: Sequence[float]
    series: Series


def bars(
    output: Path,
    groups: Sequence[str],
    series: Series,
    across: str,
    text: Text,
    *,
    one: bool = True,
) -> None:
    """Write a picture of `groups`, each with a bar for every one of `series`; where they are
    ratios, `one` has a line. Many stand side by side, by axes of their own."""
    from matplotlib.figure import Figure

    columns = -(-len(groups) // _MOST_GROUPS)
    below = -(-len(groups) // columns)
    figure = Figure(
        figsize=(8 if columns == 1 else 5.5 * columns, 1.2 + 0.3 * below * (len(series) + 0.7)),
        layout="constrained",
    )
    for column, axes in enumerate(figure.subplots(1, columns, squeeze=False)[0]):
        part = slice(column * below, (column + 1) * below)
        _bars(axes, groups[part], {name: each[part] for name, each in series.items()}, text)
        axes.margins(x=0.12 if columns == 1 else 0.24)  # for what stands behind the bars
        axes.set_ylim(below - 0.5, -0.5)
        axes.set_xlabel(across)
        if one:
            axes.axvline(1.0, color="grey", linewidth=0.8)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(len(names), 4 * columns))
    figure.savefig(output)


def _bars(axes: "Axes", groups: Sequence[str], series: Series, text: Text) -> None:
    high = 0.8 / len(series)
    for at, (name, values) in enumerate(series.items()):
        places = [group + (at + 0.5) * high - 0.4 for group in range(len(groups))]
        axes.barh(places, [value or 0.0 for value in values], 0.9 * high, label=name)
        for place, value in zip(places, values, strict=True):
            written = "no value" if value is None else text(value)
            axes.annotate(
                *(written, (value or 0.0, place), (4, 0)),
                textcoords="offset points",
                va="center",
                bbox=_CLEAR,  # of the line at 1
            )
    axes.set_yticks(range(len(groups)), groups)


def panels(
    output: Path, grid: Sequence[Sequence[Panel]], *, across: str, up: str, text: Text, one: bool
) -> None:
    """Write a picture of lines with logarithmic axes; `one` says whether 1 has a line."""
    from matplotlib.figure import Figure

    rows, columns = len(grid), len(grid[0])
    size = max(8.0, 4.4 * columns), max(4.5, 3.0 * rows + 0.6)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey="row")
    for line, drawn in zip(grid, all_axes, strict=True):
        for panel, axes in zip(line, drawn, strict=True):
            _panel(panel, axes, text)
            if one:
                axes.axhline(1.0, color="grey", linewidth=0.8)
    for line, drawn in zip(grid, all_axes, strict=True):
        for panel, axes in zip(line, drawn, strict=True):
            _write_ends(panel, axes, text)  # once all panels of a row have found their heights
    figure.supxlabel(across)
    figure.supylabel(fill(up, int(_LETTERS_PER_INCH * size[1])))
    handles, names = all_axes[0][0].get_legend_handles_labels()
    widest = _SWATCH_INCHES + max(map(len, names), default=0) / _LETTERS_PER_INCH
    ncols = max(1, min(len(names), int(size[0] / widest)))
    figure.legend(handles, names, loc="outside upper center", ncols=ncols, handlelength=3.5)
    figure.savefig(output)


def _panel(panel: Panel, axes: "Axes", text: Text) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_title(panel.title, fontsize=10)
    axes.set_xticks(panel.places, [f"{place:g}" for place in panel.places])
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axes.minorticks_off()
    axes.grid(visible=True, alpha=0.25)
    for at, (name, values) in enumerate(panel.series.items()):
        style, width = _STYLES[at % len(_STYLES)]
        known = [math.nan if value is None else value for value in values]
        mark = _MARKS[at % len(_MARKS)]
        axes.plot(
            panel.places,
            known,
            linestyle=style,
            linewidth=width,
            alpha=0.75,
            marker=mark,
            markersize=3 + width,
            markerfacecolor="none",
            label=name,
        )


def _write_ends(panel: Panel, axes: "Axes", text: Text) -> None:
    """The last value of each line, at its end; those that are as good as equal share a label."""
    ends: dict[str, tuple[float, float, list[str]]] = {}
    for name, values in panel.series.items():
        known = [(at, each) for at, each in zip(panel.places, values, strict=True) if each]
        if known:
            at, value = known[-1]
            ends.setdefault(text(value), (at, value, []))[2].append(name)
    low, high = (math.log(limit) for limit in axes.get_ylim())
    wanted = [(math.log(value) - low) / (high - low) for _, value, _ in ends.values()]
    colours = {line.get_label(): line.get_color() for line in axes.get_lines()}
    for (written, (at, value, names)), height in zip(ends.items(), spread(wanted), strict=True):
        axes.annotate(
            written,
            (at, value),
            (1.02, height),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            color=colours[names[-1]],
        )


def spread(wanted: Sequence[float], apart: float = _APART) -> list[float]:
    """Heights near the wanted ones, none nearer to another than `apart`, in the same order."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    heights = list(wanted)
    for before, at in pairwise(order):
        heights[at] = max(heights[at], heights[before] + apart)
    over = max(0.0, max(heights, default=0.0) - 1.0)
    return [height - over for height in heights]
