"""Choosing tokens: greedily, and by chance within bounds."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.ir.errors import EngineError, UsageError
from stagecut.runtime.decoding.sampling import Sampler, Sampling

#: Probabilities 1/2, 1/4, 1/8, 1/8 of the tokens 2, 0, 3, 1.
SCORES = np.log(np.array([2.0, 1.0, 4.0, 1.0], np.float32))


def _counts(sampling: Sampling, draws: int = 4000) -> Counter[int]:
    sampler = Sampler(sampling)
    return Counter(sampler(SCORES) for _ in range(draws))


def test_greedy_takes_the_first_of_the_best() -> None:
    assert Sampler(Sampling())(np.array([1.0, 3.0, 3.0])) == 1


def test_by_probability() -> None:
    counts = _counts(Sampling(temperature=1.0))
    parts = [counts[token] / 4000 for token in range(4)]
    assert parts == pytest.approx([0.25, 0.125, 0.5, 0.125], abs=0.03)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_k": 1}, {2}),
        ({"top_k": 2}, {0, 2}),
        ({"top_k": 9}, {0, 1, 2, 3}),
        ({"top_p": 0.4}, {2}),
        ({"top_p": 0.6}, {0, 2}),
        ({"top_p": 0.8}, {0, 1, 2}),
        ({"top_k": 2, "top_p": 0.5}, {2}),
        ({"top_k": 3, "top_p": 1.0}, {0, 1, 2}),
    ],
)
def test_among_the_best(options: dict[str, Any], kept: set[int]) -> None:
    assert set(_counts(Sampling(temperature=1.0, **options))) == kept


def test_a_low_temperature_is_nearly_greedy() -> None:
    assert set(_counts(Sampling(temperature=0.01))) == {2}


def test_seeds() -> None:
    one, same, other = (Sampler(Sampling(temperature=1.0, seed=seed)) for seed in (1, 1, 2))
    tokens = [[sampler(SCORES) for _ in range(50)] for sampler in (one, same, other)]
    assert tokens[0] == tokens[1] != tokens[2]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"temperature": 1.0, "top_k": 2.5}, "top-k"),
        ({"temperature": 1.0, "top_p": "most"}, "top-p"),
        ({"seed": 1.5}, "seed"),
        ({"temperature": 1.0, "top_k": -1}, "top-k"),
        ({"temperature": 1.0, "top_p": 0.0}, "top-p"),
        ({"temperature": 1.0, "top_p": 1.5}, "top-p"),
        ({"seed": -1}, "seed"),
        ({"top_k": 5}, "top-k, top-p"),
    ],
)
def test_numbers_that_make_no_sense(options: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        Sampling(**options)
    assert caught.value.where == where


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("scores", [[np.nan] * 3, [1.0, np.nan, 2.0], [-np.inf] * 3])
def test_scores_of_which_none_is_best(scores: list[float], temperature: float) -> None:
    with pytest.raises(EngineError, match="no numbers"):
        Sampler(Sampling(temperature=temperature))(np.array(scores, np.float32))


def test_infinite_scores_have_all_of_the_probability() -> None:
    sampler = Sampler(Sampling(temperature=1.0))
    scores = np.array([np.inf, 3.0, -np.inf, np.inf], np.float32)
    assert {sampler(scores) for _ in range(50)} == {0, 3}


def test_a_token_that_is_ruled_out_is_never_drawn() -> None:
    sampler = Sampler(Sampling(temperature=5e-324))
    assert {sampler(np.array([-np.inf, 2.0, 1.0], np.float32)) for _ in range(50)} == {1}
