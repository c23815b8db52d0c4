"""Figures of a machine with their sources: known, known within bounds, or kept for the check.

A file of figures (presets/sg2042.toml) says of each what it is used for:

    calibrate   taken as it stands
    bracket     published, but only within bounds
    range       bounds of a guess, where nothing is published
    held out    what the model has to say by itself: never read by what makes it

What is known within bounds is drawn from between them, so that what follows has bounds, too.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, TypeAlias

import numpy as np

Use: TypeAlias = Literal["calibrate", "bracket", "range", "held out"]

#: Figures by name, each at one place within its bounds.
Values: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in SI units; `low` and `high` are the same where it is known."""

    name: str
    low: float
    high: float
    use: Use
    source: str

    def at(self, place: float) -> float:
        """`place` of the way from low to high, which is 0 to 1; by ratios where there are such."""
        if self.low > 0:
            return float(self.low * (self.high / self.low) ** place)
        return self.low + place * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is known of a machine."""

    all: tuple[Figure, ...]

    @classmethod
    def of(cls, machine: str) -> "Figures":
        """Those in the package."""
        path = files("stagecut.backends.server") / "presets" / f"{machine}.toml"
        tables = tomllib.loads(path.read_text("utf-8"))["figure"]
        return cls(tuple(map(_figure, tables)))

    @property
    def given(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.all if figure.use != "held out")

    @property
    def held_out(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.all if figure.use == "held out")

    @property
    def uncertain(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.given if figure.low < figure.high)

    def values(self, places: Values | None = None) -> Values:
        """Uncertain ones at these places within their bounds, in the middle unless said."""
        return {each.name: each.at((places or {}).get(each.name, 0.5)) for each in self.given}

    def draws(self, count: int, seed: int) -> Sequence[Values]:
        """The middle of all bounds first, then so many draws from a Latin hypercube: of each figure
        every `count`-th part of its bounds is drawn from once."""
        random = np.random.default_rng(seed)
        names = [figure.name for figure in self.uncertain]
        strata = np.array([random.permutation(count) for _ in names]).reshape(len(names), count)
        places = (strata + random.random((len(names), count))) / count
        drawn = [dict(zip(names, map(float, column), strict=True)) for column in places.T]
        return [self.values(), *map(self.values, drawn)]


def _figure(table: Mapping[str, object]) -> Figure:
    value = table.get("value")
    low, high = (value, value) if value is not None else (table["low"], table["high"])
    return Figure(
        str(table["name"]),
        float(str(low)),
        float(str(high)),
        table["use"],  # type: ignore[arg-type]  # our own file, whose words a test knows
        str(table["source"]),
    )
