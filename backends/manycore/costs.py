"""What a piece of work costs: cycles of the busiest cluster, bytes to and from the HBM, energy.

    E = FPU instructions fpu_j + core-cycles of the clusters in use core_cycle_j + HBM bits hbm_j

An FPU instruction is counted for each register of multiply-adds, and for each of a pass: what
scalar kernels do beside that is within the core-cycles. For comparing, not for watts.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias

from stagecut.backends.manycore.chain import kept
from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.concat import joined
from stagecut.backends.manycore.heads import heads
from stagecut.backends.manycore.kernels.dma import done_2d
from stagecut.backends.manycore.mapped import works
from stagecut.backends.manycore.product import Product, tiled
from stagecut.backends.manycore.rowwise import KERNELS, Rowwise, dealt, fits
from stagecut.backends.manycore.work import (
    Attend,
    Chain,
    Move,
    NoRoomError,
    Projected,
    Rows,
    UnsupportedError,
    Work,
)
from stagecut.compiler.ir.graph import Operator, Value

#: What is one kernel.
Kernel: TypeAlias = Product | Attend | Rows | Move

#: For so many sizes it is kept what is fastest.
_KEPT = 64


@dataclass(frozen=True, slots=True)
class Cost:
    """`kernel` is product, attention, layernorm, softmax, gelu, add, scale, move, or chain where
    rows stay through several of them. `tiles` says what is in a scratchpad together; `flops` counts
    two for a multiply-add."""

    kernel: str
    cycles: float
    clusters: int
    flops: int
    instructions: int
    dma_bytes: int
    tiles: tuple[str, ...]

    def energy_j(self, chip: Chip) -> float:
        e = chip.energy
        core_cycles = self.cycles * self.clusters * chip.geometry.cores
        return (
            self.instructions * e.fpu_j
            + core_cycles * e.core_cycle_j
            + 8 * self.dma_bytes * e.hbm_j_per_bit
        )

    def utilisation(self, chip: Chip) -> float:
        """Of the peak of the clusters in use, as the published figures are [script]."""
        peak = chip.flop_per_cycle * self.clusters / chip.geometry.clusters
        return self.flops / (self.cycles * peak) if self.cycles else 0.0


def costs(chip: Chip, work: Work) -> tuple[Cost, ...]:
    """Of its kernels. A projection is fused with the attention before it, as the library has it,
    unless tiles are found: then only where that is faster. A chain is cut into parts whose rows
    stay in the scratchpads, with the lever for it. Raises as `cost` does."""
    if isinstance(work, Chain):
        return _chained(chip, work)
    if not isinstance(work, Projected):
        return (cost(chip, work),)
    fused = _fused(chip, work)
    if fused is None:
        return _apart(chip, work)
    return min(fused, _apart(chip, work), key=_cycles) if chip.levers.find_tiles else fused


def _chained(chip: Chip, chain: Chain) -> tuple[Cost, ...]:
    """The fastest of all ways to cut it; the last part short among equals."""
    alone = [cost(chip, link) for link in chain.links]
    if not chip.levers.keep_rows:
        return tuple(alone)
    ways: list[tuple[Cost, ...]] = [()]
    for stop in range(1, len(alone) + 1):
        ending = [(*ways[stop - 1], alone[stop - 1])]
        for start in range(stop - 2, -1, -1):
            part = _kept(chip, chain.part(start, stop), alone[start:stop])
            if part is not None:
                ending.append((*ways[start], part))
        ways.append(min(ending, key=_cycles))
    return ways[-1]


def _kept(chip: Chip, chain: Chain, alone: Sequence[Cost]) -> Cost | None:
    found = kept(chip, chain)
    if found is None:
        return None
    return Cost(
        "chain",
        found.cycles,
        found.clusters,
        sum(each.flops for each in alone),
        sum(each.instructions for each in alone),
        found.dma_bytes,
        (f"{found.at_once} rows kept",),
    )


@dataclass(frozen=True, slots=True)
class PartialSums:
    """A product that is fused with the attention before it where that is faster: then its K is
    split over clusters, whose partial sums are added up. `result` and `value` are the attention's.
    """

    result: Value
    value: Value
    work: Projected
    fastest: Callable[[Projected], int]

    def clusters(self, result: tuple[int, ...], keys: int) -> int:
        """Of a result of this shape, over so many keys; 1 where the two are apart."""
        return self.fastest(self.work.at(result, keys))


def partial_sums(
    chip: Chip, operators: Sequence[Operator], kept: Collection[str]
) -> Mapping[str, PartialSums]:
    """The products behind an attention, by name; none where an operator has no kernel, which
    whoever builds one says."""
    try:
        read = works(operators, kept, fused=chip.optimised)
    except UnsupportedError:
        return {}
    fastest = lru_cache(_KEPT)(partial(_fastest, chip))  # layers that are alike ask the same
    return {
        work.operator: PartialSums(region.result, region.value, work, fastest)
        for work in read
        if isinstance(work, Projected) and (region := work.attend.region) is not None
    }


def _fastest(chip: Chip, work: Projected) -> int:
    """Over how many clusters K is split."""
    fused = _fused(chip, work)
    return fused[-1].clusters if fused and _cycles(fused) < _cycles(_apart(chip, work)) else 1


def _cycles(way: Sequence[Cost]) -> float:
    return sum(each.cycles for each in way)


def _fused(chip: Chip, work: Projected) -> tuple[Cost, ...] | None:
    pair = joined(chip, work.attend, work.product)
    return None if pair is None else tuple(cost(chip, part) for part in pair)


def _apart(chip: Chip, work: Projected) -> tuple[Cost, ...]:
    parts: tuple[Kernel, ...] = (work.attend, *work.moves, work.product)
    return tuple(cost(chip, part) for part in parts)


def cost(chip: Chip, work: Kernel) -> Cost:
    """Raises NoRoomError where not even the smallest part has room in a scratchpad."""
    if isinstance(work, Product):
        return _product(chip, work)
    if isinstance(work, Attend):
        return _attention(chip, work)
    return _rows(chip, work) if isinstance(work, Rows) else _moved(chip, work)


def _product(chip: Chip, work: Product) -> Cost:
    found = tiled(chip, work)
    macs = work.count * work.m * work.n * work.k * work.summed
    followed = len(work.follow) * work.count * work.m * work.n
    return Cost(
        "product",
        found.cycles,
        found.clusters,
        2 * macs,
        -(-(macs + followed) // chip.fpu.lanes),
        found.dma_bytes,
        (f"{found.tile.m} x {found.tile.n} x {found.tile.k}",),
    )


def _attention(chip: Chip, work: Attend) -> Cost:
    found = heads(chip, work.head, work.count)
    if found is None:
        raise NoRoomError(
            f"a row of Q and of K, {work.head.d} numbers each, with what belongs to them has no "
            "room in the scratchpad"
        )
    macs = 2 * work.count * work.head.d * _scores(work)
    return Cost(
        "attention",
        found.cycles,
        found.clusters,
        2 * macs,
        -(-macs // chip.fpu.lanes) + work.count * _scores(work),
        found.dma_bytes,
        (f"{found.tile.rows} x {found.tile.columns} of {work.head.d}",),
    )


def _scores(work: Attend) -> int:
    """Scores of a head that are not masked."""
    head = work.head
    if not head.causal:
        return head.queries * head.keys
    return sum(max(1, head.keys - head.queries + row + 1) for row in range(head.queries))


def _rows(chip: Chip, work: Rows) -> Cost:
    """Passes number by number do not need whole rows: they are cut where those are too long."""
    kernel, columns = KERNELS[work.kind], work.columns
    rows = work.rows
    shape = Rowwise(rows, columns, work.operands)
    if work.kind not in {"layernorm", "softmax"}:
        while not fits(chip, shape):
            columns = -(-columns // 2)
            shape = Rowwise(-(-rows * work.columns // columns), columns, work.operands)
    if not fits(chip, shape):
        raise NoRoomError(f"a row of {work.columns} numbers has no room in the scratchpad")
    found = dealt(chip, shape, lambda at_once: kernel(chip, at_once, columns))
    elements = rows * work.columns
    instructions = -(-elements // chip.fpu.lanes)
    tiles = (f"{found.at_once} x {columns}",)
    return Cost(
        work.kind, found.cycles, found.clusters, elements, instructions, found.dma_bytes, tiles
    )


def _moved(chip: Chip, work: Move) -> Cost:
    """Fetched in runs and stored in runs, by the DMA cores of all clusters; no reference."""
    clusters = min(chip.geometry.clusters, work.rows)
    mine, row_bytes = -(-work.rows // clusters), work.columns * chip.number_bytes
    cycles = sum(
        done_2d(chip, row_bytes, mine, direction, clusters) for direction in ("read", "write")
    )
    moved = 2 * work.rows * row_bytes
    return Cost("move", cycles, clusters, 0, 0, moved, (f"{mine} x {work.columns}",))
