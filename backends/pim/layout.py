"""Where the weights of one operator lie: tile by tile, or in bands that are easier to read."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from stagecut.backends.pim.architecture import Tile


@dataclass(frozen=True, slots=True)
class Layout:
    """`weight_bytes` is the memory that the weights take: whole rows of all banks, with gaps."""

    weight_bytes: int
    tiles: tuple[Tile, ...]

    def document(self) -> dict[str, object]:
        return asdict(self)

    def lines(self) -> list[str]:
        from stagecut.backends.pim.wording import layout_lines

        return layout_lines(self)


@dataclass(frozen=True, slots=True)
class Band:
    """Tiles with the same inputs in the same rows of several banks and channels.

    `inputs`, `outputs` and `rows` are the first and one past the last.
    """

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    channels: tuple[int, ...]
    banks: tuple[int, ...]
    rank: int
    rows: tuple[int, int]


def bands(tiles: Iterable[Tile]) -> Iterator[Band]:
    """Group tiles into bands, in the order of ranks, rows and inputs."""
    shared: dict[tuple[int, int, tuple[int, int], int], list[Tile]] = defaultdict(list)
    for tile in tiles:
        shared[tile.rank, tile.row, tile.inputs, tile.rows].append(tile)
    for (rank, row, inputs, rows), members in sorted(shared.items()):
        yield Band(
            inputs=inputs,
            outputs=(min(t.outputs[0] for t in members), max(t.outputs[1] for t in members)),
            channels=tuple(sorted({tile.channel for tile in members})),
            banks=tuple(sorted({tile.bank for tile in members})),
            rank=rank,
            rows=(row, row + rows),
        )
