"""The benchmarks' plots: every value is there, and none is written over another."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.drawing import Panel, Series, bars, panels, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

figure_module = pytest.importorskip("matplotlib.figure", reason="comes with the dev extra")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> "list[Figure]":
    """Those that are written, as they are."""
    written: list[Figure] = []
    save = figure_module.Figure.savefig

    def kept(figure: "Figure", *arguments: object, **options: object) -> None:
        written.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(figure_module.Figure, "savefig", kept)
    return written


def _texts(figure: "Figure") -> "list[Text]":
    """What is written, but for the numbers of axes, of which there are some beyond both ends."""
    from matplotlib.text import Text

    numbers = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for label in axis.get_ticklabels(which="both")
        if label.get_text().strip("0123456789.x s") == ""
    }
    found: list[Text] = figure.findobj(Text)
    return [each for each in found if each.get_text() and id(each) not in numbers]


def _cut_off(figure: "Figure") -> list[str]:
    """The texts that are not whole in the picture."""
    width, height = figure.bbox.width, figure.bbox.height
    boxes = {each.get_text(): each.get_window_extent() for each in _texts(figure)}
    return [
        text
        for text, box in boxes.items()
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


def test_every_bar_has_its_value(tmp_path: Path, figures: "list[Figure]") -> None:
    models = ["minilm-32", "a model with a rather long name", "resnet-50"]
    series: Series = {"best rival": [1.14, 1.03, 0.985], "native torch": [4.23, None, 2.11]}
    bars(tmp_path / "bars.png", models, series, "inputs/s over those of", "{:.2f}".format)
    [figure] = figures
    texts = [each.get_text() for each in _texts(figure)]
    for written in ("1.14", "1.03", "0.98", "4.23", "no value", "2.11", *models, *series):
        assert written in texts
    assert _cut_off(figure) == []
    assert (tmp_path / "bars.png").stat().st_size > 5_000


def test_lines_that_lie_on_each_other_are_all_seen(tmp_path: Path, figures: "list[Figure]") -> None:
    same = [1.5, 2.0, 4.0]
    panel = Panel(
        "bert, pim", [1, 8, 64], {"greedy": same, "chain": same, "optimum": [1.5, 2.1, 4]}
    )
    panels(
        tmp_path / "lines.png",
        [[panel, panel]],
        across="tokens",
        up="speed-up",
        text="{:.2f}x".format,
        one=True,
    )
    [figure] = figures
    lines = figure.axes[0].get_lines()[:3]
    widths = [line.get_linewidth() for line in lines]
    assert widths == sorted(widths, reverse=True)
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 3
    [end] = figure.axes[0].texts
    assert end.get_text() == "4.00x"
    figure.canvas.draw()
    at = figure.axes[0].transData.transform((64, 4.0))[1]
    assert abs(end.get_window_extent().y0 + end.get_window_extent().height / 2 - at) < 2
    assert _cut_off(figure) == []


def test_a_long_label_of_an_axis_is_not_cut_off(tmp_path: Path, figures: "list[Figure]") -> None:
    panel = Panel("", [1, 2], {"ours": [1.0, 2.0]})
    up = "speed-up over the CPU alone (CPU measured, PIM modelled), " * 2
    panels(tmp_path / "x.png", [[panel]], across="nodes", up=up, text="{:g}".format, one=False)
    assert _cut_off(figures[0]) == []


def test_a_line_may_end_early(tmp_path: Path, figures: "list[Figure]") -> None:
    panel = Panel("", [1, 2, 4], {"ours": [1.0, 2.0, 4.0], "theirs": [10.0, 20.0, None]})
    panels(tmp_path / "x.png", [[panel]], across="nodes", up="s", text="{:g} s".format, one=False)
    assert [each.get_text() for each in figures[0].axes[0].texts] == ["4 s", "20 s"]
    assert _cut_off(figures[0]) == []


@pytest.mark.parametrize("wanted", [[], [0.5], [0.5, 0.5, 0.5], [0.99, 0.1, 0.98, 0.97]])
def test_labels_keep_apart_and_in_order(wanted: list[float]) -> None:
    heights = spread(wanted, 0.1)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    gaps = [heights[b] - heights[a] for a, b in pairwise(order)]
    assert all(gap > 0.1 - 1e-9 for gap in gaps)
    assert max(heights, default=0.0) <= 1.0 + 1e-9
