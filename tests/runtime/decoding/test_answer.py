"""Answers: where they end, and what of them is told when."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.ir.errors import UsageError
from stagecut.runtime.decoding.answer import Answer, Ends
from stagecut.runtime.decoding.sampling import Sampler, Sampling
from stagecut.runtime.decoding.tokenizer import Tokenizer


class Letters(Tokenizer):
    """Token 0 is the letter a."""

    def __init__(self) -> None:
        pass

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(chr(ord("a") + token) for token in tokens)


def _said(letters: str, ends: Ends) -> tuple[Answer, list[str]]:
    """An answer to which these letters were added one by one, and the texts that were told."""
    told: list[str] = []
    answer = Answer(Sampler(Sampling()), ends, Letters(), lambda _, text: told.append(text))
    for letter in letters:
        answer.add(np.eye(26)[ord(letter) - ord("a")])
        answer.tell()
    return answer, told


def test_as_many_tokens_as_are_asked_for() -> None:
    answer, told = _said("abcd", Ends(3))
    assert (answer.text, answer.tokens, answer.is_over) == ("abc", [0, 1, 2], True)
    assert told == ["a", "b", "c"]


def test_a_token_that_ends_it_is_left_out() -> None:
    answer, told = _said("abcd", Ends(9, stop_ids=[2]))
    assert (answer.text, answer.is_over, told) == ("ab", True, ["a", "b"])


@pytest.mark.parametrize(
    ("letters", "stops", "text", "told"),
    [
        ("abcd", ["bc"], "a", ["a", "", ""]),
        ("abd", ["bc"], "abd", ["a", "", "bd"]),
        ("ababc", ["abc"], "ab", ["", "", "ab", "", ""]),
        ("abcd", ["d", "cd"], "ab", ["a", "b", "", ""]),
        ("abcd", ["a"], "", [""]),
    ],
)
def test_a_text_that_ends_it_is_never_told(
    letters: str, stops: list[str], text: str, told: list[str]
) -> None:
    """Nor what may turn out to be its beginning, before it has turned out to be none."""
    answer, found = _said(letters, Ends(9, stops=stops))
    assert (answer.text, found) == (text, told)
    assert answer.is_over == (text != letters)


def test_what_is_held_back_is_told_at_the_end() -> None:
    answer, told = _said("ab", Ends(2, stops=["bc"]))
    assert (answer.text, told) == ("ab", ["a", "b"])


def test_what_is_held_back_is_told_before_a_token_that_ends_it() -> None:
    """Once, with the last token of the answer."""
    told: list[tuple[int, str]] = []
    ends = Ends(9, stop_ids=[25], stops=["bb"])
    answer = Answer(Sampler(Sampling()), ends, Letters(), lambda *each: told.append(each))
    for letter in "abzz":
        answer.add(np.eye(26)[ord(letter) - ord("a")])
        answer.tell()
    assert (answer.text, answer.tokens) == ("ab", [0, 1])
    assert told == [(0, "a"), (1, ""), (1, "b")]


@pytest.mark.parametrize(("max_new", "told"), [(2, ["a", "b\ufffd"]), (9, ["a", "", "b\ufffd"])])
def test_a_letter_that_never_gets_whole(max_new: int, told: list[str]) -> None:
    """It is told with the sound ones before it, by the last token or by what ends the answer."""

    class Broken(Letters):
        def decode(self, tokens: Sequence[int]) -> str:
            return super().decode(tokens).replace("b", "b\ufffd")

    found: list[str] = []
    ends = Ends(max_new, stop_ids=[25])
    answer = Answer(Sampler(Sampling()), ends, Broken(), lambda _, text: found.append(text))
    for token in (0, 1, 25):
        answer.add(np.eye(26)[token])
        answer.tell()
    assert (answer.text, found) == ("ab\ufffd", told)


@pytest.mark.parametrize("ends", [Ends(1), Ends(9, stop_ids=[1])])
def test_nothing_is_chosen_behind_the_end(ends: Ends) -> None:
    """Whatever the scores of a sequence that only goes on beside others."""
    answer = Answer(Sampler(Sampling()), ends)
    assert answer.add(np.eye(26)[1]) == 1
    assert answer.add(np.full(26, np.nan)) == 1
    assert len(answer.tokens) <= 1


def test_each_token_is_decoded_once() -> None:
    """However often the text is looked at: to find a stop, to tell of it, and at the end."""
    decoded: list[int] = []

    class Noted(Letters):
        def decode(self, tokens: Sequence[int]) -> str:
            decoded.append(len(tokens))
            return super().decode(tokens)

    answer = Answer(Sampler(Sampling()), Ends(9, [25], ["bc"]), Noted(), lambda *_: None)
    for token in (0, 1, 25, 25):
        answer.add(np.eye(26)[token])
        answer.tell()
    assert (answer.text, decoded) == ("ab", [1, 2])


@pytest.mark.parametrize("stops", ["text", [""], None, 5, [5], iter("ab")])
def test_stops_that_are_none(stops: Any) -> None:
    with pytest.raises(UsageError, match="it ends before it begins"):
        Ends(1, stops=stops)
