"""How large tiles are: as the library has them, or found.

The library's are given by the preset. Found are the fastest by a rough count of conflicts, then by
the whole model among the `_HELD` best; ties go to the smaller one. Rows of an odd number of lines
are among them: those begin in other banks than the rows beside them, so that cores lose less to
each other (banks.py).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import TypeVar

from stagecut.backends.manycore.chip import UNROLL, Chip

#: So many of the roughly best are held against each other.
_HELD = 4

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Rows, columns and inner numbers of a product that are in the scratchpad together."""

    m: int
    n: int
    k: int

    def size_bytes(self, chip: Chip) -> int:
        """Operands and results, twice with double buffering."""
        numbers = self.m * self.k + self.k * self.n + self.m * self.n
        return numbers * chip.number_bytes * (2 if chip.levers.double_buffer else 1)


def given(chip: Chip, m: int, n: int, k: int) -> Tile:
    """The library's tile, no larger than the product."""
    t = chip.tiles
    inner = max(chip.fpu.lanes, t.tile_inner_bytes // chip.number_bytes)
    return Tile(min(m, t.tile_rows), min(n, t.tile_columns), min(k, inner))


def candidates(chip: Chip, m: int, n: int, k: int) -> Iterator[Tile]:
    """Tiles that fit: rows by cores, columns by eights, inner numbers in lines of 64 bytes."""
    line = chip.geometry.dma_bytes // chip.number_bytes
    for rows in _sizes(m, chip.geometry.cores, 16):
        for columns in _sizes(n, UNROLL, 64):
            for inner in _inner(k, line, 64):
                tile = Tile(rows, columns, inner)
                if tile.size_bytes(chip) <= chip.geometry.usable_bytes:
                    yield tile


def _inner(k: int, line: int, most: int) -> list[int]:
    """Parts of `k`, and the same in an odd number of lines."""
    sizes = set(_sizes(k, line, most))
    odd = {line * (-(-size // line) | 1) for size in sizes}
    return sorted(sizes | {size for size in odd if size <= min(k, line * (most + 1))})


def best(
    choices: Sequence[Item], rough: Callable[[Item], float], whole: Callable[[Item], float]
) -> Item:
    """The first of the fastest."""
    order = {choice: index for index, choice in enumerate(choices)}
    held = nsmallest(_HELD, choices, key=lambda choice: (rough(choice), order[choice]))
    return min(held, key=lambda choice: (whole(choice), order[choice]))


def _sizes(whole: int, unit: int, most: int) -> list[int]:
    """Parts of `whole`: doubling units, and even splits, which leave the smallest tail."""
    found = {min(whole, unit << shift) for shift in range(most.bit_length())}
    for parts in range(1, 5):
        found.add(min(whole, unit * -(-whole // (unit * parts))))
    return sorted(size for size in found if size <= unit * most or size == min(whole, unit))
