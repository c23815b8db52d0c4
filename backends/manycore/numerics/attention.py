"""FlashAttention-2: softmax(scale Q K' + mask) V by tiles of keys, without its whole matrix.

For the rows of Q that a core has, with m the largest score so far, l the sum of exponentials and O
the result so far (T. Dao, FlashAttention-2, ICLR 2024, algorithm 1), for each tile of keys:

    S  = stored(scale Q K' + mask)
    m' = max(m, rows of S)
    P  = exp(S - m')                   in FP32 (FP64 for FP64), then stored
    l  = l exp(m - m') + sum of P      before it is stored
    O  = stored(stored(O exp(m - m')) + P V)

and at last stored(O / l). What was added up with an older, smaller m is too large by
exp(m' - m), so O is *multiplied* by exp(m - m'). The last tile may be shorter. Where nothing of a
tile is seen by a row, its m stays -inf and its P are zero; a row that sees nothing is NaN, as a
softmax of -inf alone is.
"""

from dataclasses import dataclass

import numpy as np

from stagecut.backends.manycore.numerics.formats import Format
from stagecut.backends.manycore.numerics.products import Products, product_error, sum_error
from stagecut.compiler.ir.device import Tensor

#: Keys a tile where nobody says: the library's for vision transformers.
KEYS = 64


@dataclass(frozen=True, slots=True)
class FlashAttention:
    """Of stored numbers: query [n, rows, d], key [n, keys, d], value [n, keys, e]."""

    products: Products
    format: Format
    tile: int = KEYS

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scale: float = 1.0,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """[n, rows, e]. `mask` is added to the scores and broadcasts to [n, rows, keys]; with
        `causal`, row i sees the keys up to i."""
        rows = _Rows.starting(query.shape[:-1], value.shape[-1], self.format)
        hidden = _hidden(query.shape[1], key.shape[1], mask, causal=causal)
        for first in range(0, key.shape[1], self.tile):
            keys = slice(first, first + self.tile)
            scores = self.products.both(query, key[:, keys].swapaxes(1, 2), scale)
            if hidden is not None:
                masked = hidden[..., keys] if hidden.shape[-1] > 1 else hidden
                scores = self.format.rounded(scores + masked)
            rows = rows.after(scores, value[:, keys], self)
        return self.format.rounded(rows.result / rows.total)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a core keeps of each row between tiles: [n, rows, 1], [n, rows, 1], [n, rows, e]."""

    largest: Tensor
    total: Tensor
    result: Tensor

    @classmethod
    def starting(cls, shape: tuple[int, ...], width: int, form: Format) -> "_Rows":
        return cls(
            np.full((*shape, 1), -np.inf, form.computed),
            np.zeros((*shape, 1), form.computed),
            np.zeros((*shape, width), form.computed),
        )

    def after(self, scores: Tensor, value: Tensor, kernel: FlashAttention) -> "_Rows":
        """With one more tile."""
        form = kernel.format
        largest = np.maximum(self.largest, scores.max(axis=-1, keepdims=True))
        base = np.where(np.isneginf(largest), form.computed.type(0), largest)
        weights = np.exp(scores - base)
        shrunk = np.exp(self.largest - base)  # of -inf, which is before the first tile, it is zero
        total = self.total * shrunk + weights.sum(axis=-1, keepdims=True)
        result = form.rounded(self.result * shrunk)
        return _Rows(largest, total, kernel.products.onto(result, form.rounded(weights), value))


def _hidden(rows: int, keys: int, mask: Tensor | None, *, causal: bool) -> Tensor | None:
    """The mask with -inf where causality hides a key."""
    if not causal:
        return mask
    later = np.where(np.tri(rows, keys, dtype=bool), np.float32(0), np.float32(-np.inf))
    return later if mask is None else mask + later


def attention_error(
    query: Tensor, key: Tensor, value: Tensor, kernel: FlashAttention, *, exact: bool, scale: float
) -> Tensor:
    """A bound on the absolute error of `kernel` without a mask, against the exact result.

    With E the largest error of a row's scores, each weight exp(s) / l is off by a factor of at most
    exp(2 E). T tiles of keys add up T times, and store 2 T + 2 times. So with d the product of
    these factors less 1, and the exact weights p, the result is off by d p |V|; and by half the
    smallest number, for what is too small to be stored, once for each of |V| and 2 T + 2 times. l
    is at least 1, for the largest score counts exp(0).
    """
    form, keys = kernel.format, key.shape[1]
    turned = key.swapaxes(1, 2)
    scores = scale * (query @ turned)
    off = abs(scale) * product_error(query, turned, form, exact=exact) + form.tiny
    small = 2.0 ** (-52 if form.computed == np.float64 else -23)
    span = scores.max(axis=-1, keepdims=True) - scores.min(axis=-1, keepdims=True)
    count = -(-keys // kernel.tile)
    relative, absolute = sum_error(kernel.tile if exact else keys, form, exact=exact)
    wide = small * (span + keys + 4 * count + 4)  # exponentials, their sum, and one division
    factor = np.exp(2 * off.max(axis=-1, keepdims=True) + wide)
    factor = factor * ((1 + form.unit) ** (2 * count + 2) * (1 + relative) ** count)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    unstored = form.tiny * np.abs(value).sum(axis=1, keepdims=True)
    unstored = unstored + (2 * count + 2) * form.tiny + count * absolute
    result: Tensor = (factor - 1) * (weights @ np.abs(value)) + factor * unstored
    return result
