"""What a cluster does with tiles that follow each other: fetch, compute in steps, store.

One after the other, as the library does:

    DMA    | L0 |    | L1 |    |   S   | L0 | ...         L fetches the operands of a step,
    cores       | T0 |    | T1 |            | T0 ...      S stores what the last step has computed

With `double_buffer`, the next step is fetched and the tile before is stored meanwhile:

    DMA    | L0 | L1 |.| L0' | S .| L1' | ...             a step takes as long as the slower of the
    cores       | T0 |.| T1  |....| T0' | ...             two; a barrier (.) follows each

A beat holds a quarter of the banks, so that cores take `disturbs` cycles longer for each that falls
into their step [guess].
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fetch:
    """Cycles of transfers, and beats by which they hold banks."""

    cycles: float
    beats: int

    def __add__(self, other: "Fetch") -> "Fetch":
        return Fetch(self.cycles + other.cycles, self.beats + other.beats)


NOTHING = Fetch(0.0, 0)


@dataclass(frozen=True, slots=True)
class Step:
    load: Fetch
    work: float


@dataclass(frozen=True, slots=True)
class Tile:
    """`count` equal tiles; each is a first step, `repeats` middle ones, and a last one.

    Without `middle`, there is no last step either.
    """

    count: int
    first: Step
    store: Fetch
    middle: Step | None = None
    repeats: int = 0
    last: Step | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Of one tile, in full."""
        middle = () if self.middle is None else (self.middle,) * self.repeats
        return (self.first, *middle, *(() if self.last is None else (self.last,)))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How steps follow each other."""

    double_buffer: bool
    barrier: int
    disturbs: float

    def cycles(self, tiles: Sequence[Tile]) -> float:
        """From the first fetch to the end of the last store."""
        present = [tile for tile in tiles if tile.count]
        if not present:
            return 0.0
        if not self.double_buffer:
            return sum(tile.count * self._alone(tile) for tile in present)
        total = present[0].first.load.cycles + self.barrier
        for index, tile in enumerate(present):
            before = present[index - 1].store if index else NOTHING
            after = present[index + 1].first.load if index + 1 < len(present) else NOTHING
            total += self._run(tile, before, after)
        return total + present[-1].store.cycles + self.barrier

    def _alone(self, tile: Tile) -> float:
        """A barrier after each fetch, computation and store."""
        total = self._in_turn(tile.first)
        if tile.middle is not None:
            total += tile.repeats * self._in_turn(tile.middle)
        if tile.last is not None:
            total += self._in_turn(tile.last)
        return total + tile.store.cycles + self.barrier

    def _in_turn(self, step: Step) -> float:
        return step.load.cycles + step.work + 2 * self.barrier

    def _run(self, tile: Tile, before: Fetch, after: Fetch) -> float:
        """All tiles of a kind: only the first has other tiles before it, only the last after."""
        own_load = tile.first.load
        if tile.count == 1:
            return self._body(tile, before, after)
        return (
            self._body(tile, before, own_load)
            + (tile.count - 2) * self._body(tile, tile.store, own_load)
            + self._body(tile, tile.store, after)
        )

    def _body(self, tile: Tile, before: Fetch, after: Fetch) -> float:
        """Steps of a tile; the store of the tile before follows the fetch of the second step."""
        if tile.last is None:
            return self._together(tile.first, before + after)
        if tile.middle is None or not tile.repeats:
            return self._together(tile.first, before + tile.last.load) + self._together(
                tile.last, after
            )
        return (
            self._together(tile.first, before + tile.middle.load)
            + (tile.repeats - 1) * self._together(tile.middle, tile.middle.load)
            + self._together(tile.middle, tile.last.load)
            + self._together(tile.last, after)
        )

    def _together(self, step: Step, meanwhile: Fetch) -> float:
        disturbed = step.work + self.disturbs * meanwhile.beats
        return max(disturbed, meanwhile.cycles) + self.barrier
