"""What the page's drawings are made of: marks with their places and texts.

Across, places are in percent of the drawing, which stretches with the window; downwards they are
in pixels, so that text keeps its size.
"""

from dataclasses import dataclass

from stagecut.compiler.report.model.content import Report

#: Colours before they repeat.
_COLOURS = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from (`x`, `y`); `style` are the classes that colour it, `title` says all about it."""

    x: float
    y: int
    width: float
    height: int
    style: str
    title: str
    label: str = ""

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A point in percent of a drawing, `y` from its top."""

    x: float
    y: float
    style: str
    title: str


class Styles:
    """`d0`, `d1`, ... for devices in the machine's order, `link` for routes; `modelled` beside."""

    def __init__(self, report: Report) -> None:
        self._numbers = {device.name: index for index, device in enumerate(report.devices)}
        self._bases = {device.name: device.basis for device in report.devices}

    def device(self, name: str) -> str:
        """The classes of a device's own mark."""
        return self(name, self._bases[name])

    def __call__(self, name: str, basis: str) -> str:
        number = self._numbers.get(name)
        colour = "link" if number is None else f"d{number % _COLOURS}"
        return f"{colour} modelled" if basis == "modelled" else colour
