"""The published study's transformers as work for a many-core chip: one block, without weights."""

from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.backends.manycore.kernels.attention import Head
from stagecut.backends.manycore.product import Product
from stagecut.backends.manycore.work import Attend, Chain, Kind, Projected, Rows, Work

#: Columns of a product, its inner numbers, and what follows.
Linear = tuple[int, int, tuple[Kind, ...]]


@dataclass(frozen=True, slots=True)
class Model:
    """`blocks` of `hidden` numbers, `heads` of `head` each, and `inner` between the two products;
    `tokens` is the usual length."""

    name: str
    blocks: int
    hidden: int
    head: int
    inner: int
    heads: int
    tokens: int
    modes: tuple[str, ...]


_DECODER = ("nar", "ar")
MODELS = {
    model.name: model
    for model in (
        Model("vit-b", 12, 768, 64, 3072, 12, 197, ("encoder",)),
        Model("vit-l", 24, 1024, 64, 4096, 16, 197, ("encoder",)),
        Model("vit-h", 32, 1280, 80, 5120, 16, 197, ("encoder",)),
        Model("gpt3-xl", 40, 2048, 128, 8192, 16, 2048, _DECODER),
        Model("gpt-j", 28, 4096, 256, 16384, 16, 2048, _DECODER),
    )
}


@dataclass(frozen=True, slots=True)
class Case:
    """A model in a mode: an encoder, or a decoder of all tokens (nar) or of one (ar)."""

    model: Model
    mode: str
    tokens: int
    precision: str
    clusters: int


def works(case: Case, *, fused: bool) -> Iterator[Work]:
    """The kernels of a block; where not `fused`, what follows a product is a pass of its own."""
    m, rows = case.model, 1 if case.mode == "ar" else case.tokens
    wide = m.heads * m.head
    yield from _normed(rows, (3 * wide, m.hidden, ("scale",)), fused=fused)
    attend = Attend(Head(rows, case.tokens, m.head, case.mode == "nar"), m.heads)
    if fused:
        yield Projected(attend, Product(rows, m.hidden, wide, follow=("scale", "add")))
    else:
        yield attend
        yield from _linear(rows, m.hidden, wide, ("scale", "add"), fused=False)
    up: Linear = (m.inner, m.hidden, ("scale", "gelu"))
    down: Linear = (m.hidden, m.inner, ("scale", "add"))
    yield from _normed(rows, up, down, fused=fused)


def _normed(rows: int, *products: Linear, fused: bool) -> Iterator[Work]:
    """A norm, and products of which each alone reads what is before it."""
    norm = Rows("layernorm", rows, products[0][1])
    if fused:
        links = [Product(rows, n, k, follow=follow) for n, k, follow in products]
        yield Chain((norm, *links))
    else:
        yield norm
        for n, k, follow in products:
            yield from _linear(rows, n, k, follow, fused=False)


def _linear(
    rows: int, columns: int, inner: int, follow: tuple[Kind, ...], *, fused: bool
) -> Iterator[Work]:
    yield Product(rows, columns, inner, follow=follow if fused else ())
    for kind in () if fused else follow:
        yield Rows(kind, rows, columns)
