"""What a many-core chip has kernels for: the work that nodes are made of (mapped.py).

Product   [m, k] x [k, n], several times, with what follows it on its tiles (product.py)
Attend    attention, matched as a region (heads.py)
Rows      LayerNorm, softmax, GELU, sums and products number by number (rowwise.py)
Projected attention and the product with a weight that joins its heads (concat.py)
Chain     products and rows, one after the other on the same rows (chain.py)
Move      transposing, splitting, joining, cutting out: the DMA alone
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from stagecut.backends.manycore.kernels.attention import Head
from stagecut.backends.manycore.product import Product
from stagecut.compiler.ir.regions import Attention

Kind: TypeAlias = Literal["layernorm", "softmax", "gelu", "add", "scale"]


@dataclass(frozen=True, slots=True)
class Attend:
    """`count` heads, all batches together, of a `region` where it is of a model."""

    head: Head
    count: int
    region: Attention | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Rows:
    """A pass over `rows` of `columns` numbers; only "add" reads a second operand of that size."""

    kind: Kind
    rows: int
    columns: int

    @property
    def operands(self) -> int:
        return 2 if self.kind == "add" else 1

    @property
    def reads(self) -> int:
        """Numbers of a row of all operands."""
        return self.operands * self.columns


@dataclass(frozen=True, slots=True)
class Move:
    """Numbers that change place in the HBM, in runs of `columns`."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Projected:
    """Attention whose heads a product with a weight, the operator of this name, joins; `moves` put
    them side by side where the two are not fused."""

    attend: Attend
    product: Product
    moves: tuple[Move, ...] = ()
    operator: str = ""

    def at(self, result: tuple[int, ...], keys: int) -> "Projected":
        """The same where the attention's result, [..., queries, d], has this shape, over so many
        keys: all else is the weights'."""
        *lead, queries, _ = result
        head = replace(self.attend.head, queries=queries, keys=keys)
        attend = Attend(head, math.prod(lead))
        rows = attend.count * queries * head.d // self.product.k
        moved = math.prod(result)
        moves = tuple(replace(each, rows=moved // each.columns) for each in self.moves)
        return Projected(attend, replace(self.product, m=rows), moves)


#: A kernel that computes rows from as many rows.
Link: TypeAlias = Product | Rows


@dataclass(frozen=True, slots=True)
class Chain:
    """Kernels on the same rows, each of which reads what one before it writes: the one in
    `sources`, -1 for the HBM, or where there are none the last one. What others read as well is
    `stored`, by number of the kernel that writes it; what the last one writes is in any case."""

    links: tuple[Link, ...]
    stored: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()

    def source(self, at: int) -> int:
        return self.sources[at] if self.sources else at - 1

    def last_reader(self, at: int) -> int:
        """Until then its rows stay; itself where none of the others reads them."""
        return max((one for one in range(len(self.links)) if self.source(one) == at), default=at)

    def extended(self, link: Link, source: int) -> "Chain":
        return self._of((*self.links, link), (*map(self.source, range(len(self.links))), source))

    def part(self, start: int, stop: int) -> "Chain":
        """Kernels `start` to `stop`; what the others read of them is stored."""
        stored = tuple(
            at - start
            for at in range(start, stop - 1)
            if at in self.stored or self.last_reader(at) >= stop
        )
        sources = tuple(max(-1, self.source(at) - start) for at in range(start, stop))
        return replace(self._of(self.links[start:stop], sources), stored=stored)

    @staticmethod
    def _of(links: tuple[Link, ...], sources: tuple[int, ...]) -> "Chain":
        linear = sources == tuple(range(-1, len(links) - 1))
        return Chain(links, sources=() if linear else sources)


Work: TypeAlias = Product | Attend | Projected | Chain | Rows | Move


class UnsupportedError(Exception):
    """The chip cannot run it; the message is the reason."""


class NoRoomError(UnsupportedError):
    """Not even the smallest part of it has room in a scratchpad."""
