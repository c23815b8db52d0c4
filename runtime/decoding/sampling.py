"""Choose the next token by its scores: the best one, or one by chance.

scores / temperature -> the top k of them -> the fewest that have the part p -> one of these
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import EngineError, UsageError
from stagecut.compiler.ir.numbers import is_amount, is_count


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen: greedily at a `temperature` of 0, else by chance, from `seed` on.

    `top_k` keeps so many of the best (0: all of them), `top_p` the fewest that together have this
    part of the probability. Raises UsageError for numbers that make no sense.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, fits, fix in (
            ("temperature", is_amount(self.temperature), "a number from 0 on; 0 is greedy"),
            ("top-k", is_count(self.top_k), "a whole number; 0 keeps all tokens"),
            ("top-p", is_amount(self.top_p) and 0 < self.top_p <= 1, "a part above 0, at most 1"),
            ("seed", is_count(self.seed), "a whole number from 0 on"),
        ):
            if not fits:
                raise UsageError("it makes no sense", where=name, fix=f"give {fix}")
        if not self.temperature and (self.top_k or self.top_p < 1):
            raise UsageError(
                "the best token is taken whatever else there is",
                where="top-k, top-p",
                fix="add a temperature, such as 0.8",
            )


class Sampler:
    """Draws one token after the other; the same ones for the same seed and scores."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._rng = np.random.default_rng(sampling.seed)

    def __call__(self, scores: Tensor) -> int:
        """The token that is next by its scores, of which there is one for each of the vocabulary;
        the first of equals.

        Raises EngineError where no token is the best: scores that are NaN, or none above -inf.
        Those at +inf share all of the probability.
        """
        sampling = self._sampling
        best = int(scores.argmax())  # a NaN, where there is one
        if not scores[best] > -np.inf:
            raise EngineError(
                "the scores of the next token are no numbers",
                where="sampling",
                fix="look at the prompt, and at what the model makes of it: Sequence.run",
            )
        if not sampling.temperature:
            return best
        ranked = np.argsort(-scores, kind="stable")[: sampling.top_k or None]
        weights = _weights(scores[ranked], sampling.temperature)
        parts = np.cumsum(weights / weights.sum())
        kept = int(np.searchsorted(parts, sampling.top_p)) + 1
        parts = parts[:kept]
        drawn = np.searchsorted(parts, self._rng.random() * parts[-1], side="right")
        return int(ranked[min(int(drawn), len(parts) - 1)])


def _weights(ranked: Tensor, temperature: float) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Of scores, the best in front, whose weight is 1."""
    scores = ranked.astype(float)
    # inf - inf counts for nothing; what is too far behind for a float is never drawn
    with np.errstate(invalid="ignore", over="ignore"):
        behind = np.where(scores == scores[0], 0.0, scores - scores[0]) / temperature
    weights: np.ndarray[Any, np.dtype[np.float64]] = np.exp(behind)
    return weights
