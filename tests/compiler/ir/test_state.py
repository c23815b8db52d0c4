"""States: what they take, and which lengths are measured."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.state import Decoding, DecodingOptions, State, behind, positional


def test_what_is_kept_of_a_token() -> None:
    half = State("past.v", "present.v", "float16", (1, 2, 4), 2)
    whole = State("past.k", "present.k", "float32", (1, 2, 4), 2)
    assert (half.row_bytes, whole.row_bytes) == (16, 32)
    assert Decoding((half, whole), 10, "logits").token_bytes == 48


def test_what_new_tokens_say_of_their_places() -> None:
    """Of what the model reads, in its own types."""
    whole: np.dtype[Any] = np.dtype(np.int64)
    dtypes = {"input_ids": whole, "attention_mask": np.dtype(np.float32), "position_ids": whole}
    found = positional(dtypes, np.ones((1, 5), bool), 2)
    assert {name: array.tolist() for name, array in found.items()} == {
        "attention_mask": [[1.0] * 5],
        "position_ids": [[3, 4]],
    }
    assert found["attention_mask"].dtype == np.float32
    [places] = positional({"cache_position": np.dtype(np.int32)}, np.ones((1, 5), bool), 2).values()
    assert places.tolist() == [3, 4]
    assert places.dtype == np.int32


@pytest.mark.parametrize("tokens", range(1, 8))
def test_a_token_stands_behind_as_many_as_count_before_it(tokens: int) -> None:
    counted = np.random.default_rng(tokens).random((5, 7)) < 0.5
    found = positional({"position_ids": np.dtype(np.int64)}, counted, tokens)["position_ids"]
    every = [[max(sum(row[: at + 1]) - 1, 0) for at in range(7)] for row in counted.tolist()]
    assert found.tolist() == [row[7 - tokens :] for row in every]


@pytest.mark.parametrize(
    ("options", "room", "lengths"),
    [
        (DecodingOptions(), None, (128, 1024, 576)),
        (DecodingOptions(), 96, (48, 96, 72)),
        (DecodingOptions(capacity=200), 96, (100, 200, 150)),
        (DecodingOptions(prompt=7), 96, (7, 96, 51)),
        (DecodingOptions(prompt=7, new=11), 96, (7, 96, 11)),
        (DecodingOptions(prompt=7, new=90), 96, (7, 96, 51)),
        (DecodingOptions(prompt=7, new=2), 96, (7, 96, 7)),
        (DecodingOptions(), 2, (1, 2, 1)),
        (DecodingOptions(length=40), 64, (32, 64, 40)),
        (DecodingOptions(length=4096), 64, (128, 4097, 4096)),
        (DecodingOptions(length=4096), None, (128, 4097, 4096)),
    ],
)
def test_lengths(options: DecodingOptions, room: int | None, lengths: tuple[int, int, int]) -> None:
    assert options.lengths(room) == lengths


def test_a_prompt_that_fills_the_sequence() -> None:
    with pytest.raises(UsageError, match="prompt of 64 tokens leaves no room in a sequence of 64"):
        DecodingOptions(prompt=64).lengths(64)


def test_an_answer_that_does_not_fit() -> None:
    with pytest.raises(UsageError, match="91 tokens behind a prompt of 7 do not fit"):
        DecodingOptions(prompt=7, new=91).lengths(96)


def test_a_length_that_does_not_fit() -> None:
    with pytest.raises(UsageError, match="behind 64 tokens does not fit into a sequence of 64"):
        DecodingOptions(length=64, capacity=64).lengths(None)


@pytest.mark.parametrize("further", [(40,), (41, 41), (60, 50), (50, 2.5), (True,), 60, ["60", 70]])
def test_further_lengths_grow(further: object) -> None:
    with pytest.raises(UsageError, match="each a larger whole number of tokens"):
        DecodingOptions(length=40, further=further)  # type: ignore[arg-type]


def test_further_lengths_are_behind_one() -> None:
    with pytest.raises(UsageError, match="give a length, and further ones"):
        DecodingOptions(further=(40,))


def test_the_longest_length_has_to_fit() -> None:
    options = DecodingOptions(length=8, further=(20, 64))
    assert options.lengths(None) == (128, 1024, 8)
    assert replace(options, further=(5000,)).lengths(None) == (128, 5001, 8)
    with pytest.raises(UsageError, match="behind 64 tokens does not fit into a sequence of 64"):
        replace(options, capacity=64).lengths(None)


def test_an_answer_says_the_length_of_its_steps() -> None:
    with pytest.raises(UsageError, match="give one of the two"):
        DecodingOptions(length=64, new=9)


@pytest.mark.parametrize("name", ["prompt", "capacity", "new", "length"])
@pytest.mark.parametrize("number", [1, 2.5, "4", True])
def test_numbers_that_make_no_sense(name: str, number: object) -> None:
    with pytest.raises(UsageError, match=f"it is {number!r}") as caught:
        DecodingOptions(**{name: number})  # type: ignore[arg-type]
    assert caught.value.where == name


def test_inputs_behind_another_number_of_tokens() -> None:
    past = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    feeds = {
        "input_ids": np.array([[7]]),
        "attention_mask": np.ones((1, 4), np.int64),
        "position_ids": np.array([[3]]),
        "past": past,
    }
    longer = behind(feeds, ("past",), 5)
    assert longer["past"].shape == (5, 1, 2, 2)
    np.testing.assert_array_equal(longer["past"][3:], past[:2])
    assert longer["attention_mask"].shape == (1, 6)
    assert longer["position_ids"].tolist() == [[5]]
    assert longer["input_ids"] is feeds["input_ids"]


def test_positions_of_a_cache_move_along() -> None:
    past = np.zeros((3, 1, 2, 2), np.float32)
    feeds = {"input_ids": np.array([[7]]), "cache_position": np.array([3]), "past": past}
    longer = behind(feeds, ("past",), 5)
    assert longer["cache_position"].tolist() == [5]
    assert longer["cache_position"].dtype == np.int64
