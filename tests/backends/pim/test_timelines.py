"""Command timelines in docstrings of PIM kernels: every figure in them is what the code computes.

A timeline has a line for each run of commands of a kind, and after it sums of intervals:

    cycles      even banks            odd banks             first cycle
    195         ACT tile 0 row 1                            178 + R2P + tRP
    209 - 333   32 RD tile 0 row 1                          195 + tRCDRD

    even = 341 = 7 c + W2R + 31 c + R2P + tRP + tRCDRD + 31 c + R2W
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import pytest

from stagecut.backends.pim.aim import kernels as aim
from stagecut.backends.pim.aim.model import Aim
from stagecut.backends.pim.architectures import PRESETS, architecture_of
from stagecut.backends.pim.hbm import (
    fixed,
    intervals,
    kernels,
    model,
    products,
    refresh,
    stream,
    tree,
)
from stagecut.backends.pim.hbm.intervals import Intervals
from tests.support import hbm_replay
from tests.support.hbm import GEOMETRY, HOST, TIMING
from tests.support.hbm_replay import Command, Replay
from tests.support.pim import estimate

PRESET = Intervals(replace(TIMING, refresh=False), GEOMETRY)

#: Short name in the timelines -> attribute of Intervals.
SHORT = {
    "c": "column",
    "R2W": "read_to_write",
    "W2R": "write_to_read",
    "R2P": "read_to_precharge",
    "W2P": "write_to_precharge",
}
TIMINGS = "RL WL tCCDS tCCDL tRRDS tRCDRD tRCDWR tRP tRTRS tRTPL tWR tWTRL"
NAMES = {
    **{name: getattr(PRESET.timing, name.lower()) for name in TIMINGS.split()},
    **{short: getattr(PRESET, attribute) for short, attribute in SHORT.items()},
    "BL/2": PRESET.data,
    "enter": fixed.enter(PRESET),
    "leave": fixed.leave(PRESET),
    "park": fixed._park(PRESET),
}

AIM = architecture_of(PRESETS.preset("pim.aim", {}))
assert isinstance(AIM, Aim)
AIM_TIMINGS = "nBL nRP nMODCH nRCDRDMAC nCLREG nCWLREG nWPRE"
AIM_NAMES = {
    **{name: getattr(AIM.timing, name.lower()) for name in AIM_TIMINGS.split()},
    "c": AIM.timing.column,
}


class Line(NamedTuple):
    """`size` commands from `first` to `last`, and the expression for `first` if there is one."""

    first: int
    last: int
    size: int
    name: str
    side: str
    row: str
    since: str

    def commands(self) -> Iterator[Command]:
        spacing = (self.last - self.first) // max(1, self.size - 1)
        for index in range(self.size):
            yield Command(self.first + index * spacing, self.name, self.side, self.row)


def _product(steps: int, tiles: int) -> Replay:
    return hbm_replay.product(PRESET, steps=steps, tiles=tiles)


def _tree(steps: int, tiles: int) -> Replay:
    return hbm_replay.tree_product(PRESET, steps=steps, tiles=tiles)


def _pass(reads: tuple[int, ...], scalars: int) -> Replay:
    return hbm_replay.elementwise(PRESET, reads=reads, scalars=scalars, passes=1)


#: What has a timeline -> the replay of the same kernel, and its cycles in closed form.
KERNELS = {
    "a product of two tiles": (
        products,
        _product(1, 2),
        products.product(PRESET, steps=1, tiles=2),
    ),
    "one tile": (products.product, _product(1, 1), products.product(PRESET, steps=1, tiles=1)),
    "an even tile after an even one": (products._even_late, _product(1, 3), None),
    "the next step": (
        products._next_step,
        _product(2, 2),
        products.product(PRESET, steps=2, tiles=2),
    ),
    "a tree of two tiles": (tree, _tree(1, 2), tree.tree_product(PRESET, steps=1, tiles=2)),
    "the next step of a tree": (
        tree.tree_product,
        _tree(2, 1),
        tree.tree_product(PRESET, steps=2, tiles=1),
    ),
    "add": (kernels.add, _pass((1, 1), 0), kernels.add(PRESET, 1)),
    "relu": (kernels.relu, _pass((1,), 0), kernels.relu(PRESET, 1)),
    "batchnorm": (kernels.batchnorm, _pass((2,), 1), kernels.batchnorm(PRESET, 1)),
}

#: What has a timeline or sums of intervals -> a figure in it, and what the code computes.
FIGURES = {
    "enter": (fixed.enter, "enter", fixed.enter(PRESET)),
    "leave": (fixed.leave, "leave", fixed.leave(PRESET)),
    "drain": (fixed.leave, "drain", fixed.drain(PRESET)),
    "sub": (kernels.sub, "cycles", kernels.sub(PRESET, 1).cycles),
    "mode ended and started": (products.mode_again, "started", products.mode_again(PRESET, 2)[0]),
    "weights of a tile": (products, "stream", products.stream(PRESET)),
    "row after row of weights": (products._even_late, "row", products.next_row(PRESET)),
    "a pass of GDDR6-AiM": (
        aim,
        "cycles",
        aim.product(AIM.timing, AIM.geometry, inner=256, outer=512).cycles,
    ),
    "read": (stream.read, "read", stream.read(PRESET, 4)),
    "write": (stream.write, "write", stream.write(PRESET, 4)),
    "read, then read": (intervals, "read_then_read", PRESET.read_then_read(PRESET.settled)),
    "read, then write": (intervals, "read_then_write", PRESET.read_then_write(PRESET.settled)),
    "write, then read": (intervals, "write_then_read", PRESET.write_then_read(PRESET.settled)),
    "write, then write": (intervals, "write_then_write", PRESET.write_then_write(PRESET.settled)),
}
DRAWN = [drawn for drawn, *_ in (*KERNELS.values(), *FIGURES.values())]


@pytest.mark.parametrize(("drawn", "replay", "kernel"), KERNELS.values(), ids=KERNELS.keys())
def test_the_commands_are_those_of_the_replay(
    drawn: object, replay: Replay, kernel: kernels.Kernel | None
) -> None:
    lines = list(_lines(drawn))
    first, last = lines[0].first, max(line.last for line in lines)
    start = next(c.cycle for c in replay.issued if c.row == "mode" and c.name == "WR")
    issued = [command._replace(cycle=command.cycle - start) for command in replay.issued]
    between = [command for command in issued if first <= command.cycle <= last]
    assert sorted(command for line in lines for command in line.commands()) == sorted(between)
    if kernel is not None:
        assert _sums(drawn)["cycles"] == kernel.cycles == replay.cycles


@pytest.mark.parametrize(("drawn", "name", "cycles"), FIGURES.values(), ids=FIGURES.keys())
def test_figures(drawn: object, name: str, cycles: int) -> None:
    assert _sums(drawn)[name] == cycles


@pytest.mark.parametrize("drawn", DRAWN)
def test_every_first_cycle_follows_from_an_earlier_one(drawn: object) -> None:
    seen: set[int] = set()
    for line in _lines(drawn):
        if line.since:
            earlier = int(line.since.split(" + ")[0])
            assert earlier in seen
            assert _value(line.since, _names(drawn)) == line.first
        seen |= {line.first, line.last}


@pytest.mark.parametrize("drawn", DRAWN)
def test_commands_of_a_run_are_a_column_interval_apart(drawn: object) -> None:
    streams = drawn in {stream.read, stream.write}
    spacing = _names(drawn)["tCCDS" if streams else "c"]
    for line in _lines(drawn):
        assert line.last - line.first == (line.size - 1) * spacing


@pytest.mark.parametrize(("short", "attribute"), SHORT.items())
def test_table_of_intervals(short: str, attribute: str) -> None:
    cycles = getattr(PRESET, attribute)
    assert re.search(rf"^    {short} +{attribute} +{cycles} = ", _doc(intervals), re.MULTILINE)


def test_a_second_refresh_falls_into_a_run_that_the_first_has_made_longer() -> None:
    """`refresh` draws a run of 5700 cycles: instants above, what lies between them below."""
    found, run, first = Intervals(TIMING, GEOMETRY), 5700, TIMING.trefi // GEOMETRY.ranks
    stall, second = refresh.kernel_stall(found), first + TIMING.trefi
    instants = [0, first, first + stall, second, second + stall, run + 2 * stall]
    assert run < second < run + stall
    assert refresh.met(found, run, stall) == 2
    assert _figures(refresh, r"^ +cycle +(0 .*)$") == instants
    assert _figures(refresh, r"^ +(\|.*)$") == [b - a for a, b in pairwise(instants)]


def test_a_whole_product_with_the_part_of_the_host() -> None:
    """`HbmPim._way` draws its parts in ns, a cycle each, and their sum."""
    answer = estimate("pim.hbm:channels=1,refresh=off", "MatMul", [(1, 256), (256, 64)])
    reduce_s = 64 * GEOMETRY.burst_bytes / HOST.reduce_bytes_per_s
    parts = [
        round(HOST.sync_s * 1e9),
        stream.read(PRESET, 16),
        answer.cycles,
        answer.readback_cycles,
        round(reduce_s * 1e9),
        stream.write(PRESET, 4),
    ]
    assert _figures(model.HbmPim._way, r"^ *ns +(.*)$") == parts
    assert _figures(model.HbmPim._way, r"^ *\| hand over .*\| (\d+)$") == [sum(parts)]
    assert answer.run_s == pytest.approx(sum(parts) * 1e-9)


def _figures(drawn: object, line: str) -> list[int]:
    """The numbers in the part of the docstring that the pattern `line` captures."""
    match = re.search(line, _doc(drawn), re.MULTILINE)
    assert match, line
    return [int(figure) for figure in re.findall(r"\d+", match[1])]


def _names(drawn: object) -> dict[str, int]:
    return AIM_NAMES if drawn is aim else NAMES


def _doc(drawn: object) -> str:
    return inspect.getdoc(drawn) or ""


def _lines(drawn: object) -> Iterator[Line]:
    """The lines of the timeline in a docstring; the header says where its columns begin."""
    text = iter(_doc(drawn).splitlines())
    header = next((line for line in text if line.strip().startswith("cycles  ")), "")
    columns = [match.start() for match in re.finditer(r"\S+( \S+)*", header)]
    for line in text:
        if not line.strip():
            return
        ends = [*columns[1:], None]
        cells = [line[a:b].strip() for a, b in zip(columns, ends, strict=True)]
        cycles, *lanes, since = cells
        first, _, last = cycles.partition(" - ")
        (lane,) = (index for index, cell in enumerate(lanes) if cell)
        match = re.fullmatch(r"(?:(\d+) )?(ACT|MODE|PRE|RD|WR) (.+)", lanes[lane])
        assert match, line
        count, name, row = match.groups()
        side = ("even", "odd")[lane]
        yield Line(int(first), int(last or first), int(count or 1), name, side, row, since)


def _sums(drawn: object) -> dict[str, int]:
    """name = figure = sum of intervals; each of them is checked, and may use those before it."""
    names = dict(_names(drawn))
    for name, figure, terms in re.findall(r"^ *(\w+) = (\d+) = (.+)$", _doc(drawn), re.MULTILINE):
        assert _value(terms, names) == int(figure), f"{name} = {figure} = {terms}"
        names[name] = int(figure)
    return names


def _value(terms: str, names: dict[str, int]) -> int:
    """Of terms such as -11, W2R and 7 c."""
    total = 0
    for term in terms.replace(" - ", " + -").split(" + "):
        match = re.fullmatch(r"(-?)(\d*) ?([A-Za-z][\w/]*)?", term)
        assert match, terms
        sign, factor, name = match.groups()
        size = int(factor or 1) * (names[name] if name else 1)
        total += -size if sign else size
    return total
