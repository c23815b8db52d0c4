"""How near each node comes to what its device can do: the roofline.

To the right, the work for each byte (weights, inputs and outputs, each counted once); upwards,
the work for each second. A device's roof is the lower of its bandwidth times the work for each
byte and its peak. Where these are not known, the best that any node reached on it stands in.
After Williams, Waterman and Patterson, CACM 52(4), 2009, doi 10.1145/1498765.1498785.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.units import scaled
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.rows import DeviceRow, NodeRow
from stagecut.compiler.report.page.marks import Dot, Styles, Tick


@dataclass(frozen=True, slots=True)
class Line:
    """From one point to another, in percent of the drawing, `y` from its top."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Roof:
    """The slope and the flat part; `seen` says that it is only the best that was reached."""

    lines: tuple[Line, ...]
    style: str
    label: str
    seen: bool


@dataclass(frozen=True, slots=True)
class Roofline:
    """Nodes without floating-point work are left out."""

    dots: tuple[Dot, ...]
    roofs: tuple[Roof, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def roofline(report: Report) -> Roofline:
    """The drawing; empty where no node has work and a time."""
    nodes = [node for node in report.nodes if node.flops and node.touched_bytes and _time_s(node)]
    if not nodes:
        return Roofline((), (), (), ())
    used = {node.device for node in nodes}
    peaks = [_peaks(device, nodes) for device in report.devices if device.name in used]
    plane = _Plane.around(nodes, peaks)
    styles = Styles(report)
    return Roofline(
        dots=tuple(_dots(nodes, plane, styles)),
        roofs=tuple(
            Roof(tuple(plane.roof(each)), styles.device(each.device.name), each.label, each.seen)
            for each in peaks
        ),
        across=tuple(plane.across()),
        up=tuple(plane.up()),
    )


def _dots(nodes: Sequence[NodeRow], plane: "_Plane", styles: Styles) -> Iterator[Dot]:
    """Nodes that would hide each other share a dot."""
    together: dict[tuple[int, int, str], list[NodeRow]] = {}
    for node in nodes:
        place = (round(plane.x(_intensity(node))), round(plane.y(_speed(node))))
        together.setdefault((*place, styles(node.device, node.run.basis)), []).append(node)
    for (_, _, style), (node, *others) in together.items():
        title = _title(node) + (f"; and {len(others)} like it" if others else "")
        yield Dot(plane.x(_intensity(node)), plane.y(_speed(node)), style, title)


@dataclass(frozen=True, slots=True)
class _Peaks:
    device: DeviceRow
    flop_per_s: float
    bytes_per_s: float
    seen: bool

    @property
    def label(self) -> str:
        mark = wording.MODELLED if self.device.basis == "modelled" else ""
        flops, moved = scaled(self.flop_per_s, "FLOP/s"), scaled(self.bytes_per_s, "B/s")
        reached = "best seen " if self.seen else ""
        return f"{wording.brief(self.device.name)}: {reached}{flops}{mark}, {moved}{mark}"


def _peaks(device: DeviceRow, nodes: Sequence[NodeRow]) -> _Peaks:
    """Of a device that runs some of `nodes`; what it takes for those that run elsewhere counts."""
    if device.peak_flop_per_s and device.peak_bytes_per_s:
        return _Peaks(device, device.peak_flop_per_s, device.peak_bytes_per_s, seen=False)
    times = [
        (node, option.run.time_s)
        for node in nodes
        for option in node.options
        if option.device == device.name and option.run is not None and option.run.time_s
    ]
    fastest = max(node.flops / time_s for node, time_s in times)
    widest = max(node.touched_bytes / time_s for node, time_s in times)
    return _Peaks(device, fastest, widest, seen=True)


@dataclass(frozen=True, slots=True)
class _Plane:
    """Powers of ten between which everything lies, across and up."""

    left: int
    right: int
    bottom: int
    top: int

    @classmethod
    def around(cls, nodes: Sequence[NodeRow], peaks: Sequence[_Peaks]) -> "_Plane":
        ridges = [each.flop_per_s / each.bytes_per_s for each in peaks]
        left, right = _powers([*map(_intensity, nodes), *ridges])
        bottom, top = _powers([*map(_speed, nodes), *(each.flop_per_s for each in peaks)])
        return cls(left, right, bottom, top)

    def x(self, intensity: float) -> float:
        return 100 * (math.log10(intensity) - self.left) / (self.right - self.left)

    def y(self, speed: float) -> float:
        return 100 - 100 * (math.log10(speed) - self.bottom) / (self.top - self.bottom)

    def roof(self, peaks: _Peaks) -> Iterator[Line]:
        """The slope from where it enters the drawing up to the ridge, then the flat part."""
        ridge = peaks.flop_per_s / peaks.bytes_per_s
        start = max(10.0**self.left, 10.0**self.bottom / peaks.bytes_per_s)
        slope = self.y(start * peaks.bytes_per_s)
        flat = self.y(peaks.flop_per_s)
        yield Line(self.x(start), slope, self.x(ridge), flat)
        yield Line(self.x(ridge), flat, 100.0, flat)

    def across(self) -> Iterator[Tick]:
        for power in range(self.left, self.right + 1):
            yield Tick(self.x(10.0**power), f"{10.0**power:g}")

    def up(self) -> Iterator[Tick]:
        for power in range(self.bottom, self.top + 1):
            yield Tick(self.y(10.0**power), scaled(10.0**power, "FLOP/s"))


def _powers(amounts: Sequence[float]) -> tuple[int, int]:
    logs = [math.log10(amount) for amount in amounts]
    return math.floor(min(logs)), math.ceil(max(logs) + 1e-9)


def _time_s(node: NodeRow) -> float:
    return node.run.time_s


def _intensity(node: NodeRow) -> float:
    return node.flops / node.touched_bytes


def _speed(node: NodeRow) -> float:
    return node.flops / _time_s(node)


def _title(node: NodeRow) -> str:
    mark = wording.MODELLED if node.run.basis == "modelled" else ""
    speed = scaled(_speed(node), "FLOP/s") + mark
    moved = scaled(node.touched_bytes / _time_s(node), "B/s") + mark
    name, device = wording.shorten(node.name, 60), wording.brief(node.device)
    return f"{name} on {device}: {speed}, {moved}, {_intensity(node):.3g} FLOP a byte"
