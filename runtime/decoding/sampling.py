"""Choose the next token by its scores: the best one, or one by chance.

scores / temperature -> the top k of them -> the fewest that have the part p -> one of these
"""

from dataclasses import dataclass

import numpy as np

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import UsageError


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
            ("temperature", 0 <= self.temperature < np.inf, "a number from 0 on; 0 is greedy"),
            ("top-k", self.top_k >= 0, "a whole number; 0 keeps all tokens"),
            ("top-p", 0 < self.top_p <= 1, "a part above 0, at most 1"),
            ("seed", self.seed >= 0, "a whole number from 0 on"),
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
        the first of equals."""
        sampling = self._sampling
        if not sampling.temperature:
            return int(scores.argmax())
        ranked = np.argsort(-scores, kind="stable")[: sampling.top_k or None]
        weights = np.exp((scores[ranked] - scores[ranked[0]]).astype(float) / sampling.temperature)
        parts = np.cumsum(weights / weights.sum())
        kept = int(np.searchsorted(parts, sampling.top_p)) + 1
        parts = parts[:kept]
        drawn = np.searchsorted(parts, self._rng.random() * parts[-1], side="right")
        return int(ranked[min(int(drawn), len(parts) - 1)])
