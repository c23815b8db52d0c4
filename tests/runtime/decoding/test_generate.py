"""Generating: tokens, texts, where it ends, and prompts that are none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.ir.errors import FeedError, PlanError, StagecutError, UsageError
from stagecut.runtime.decoding.benchmark import Lengths, benchmark
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.sampling import Sampling
from stagecut.runtime.decoding.session import DecoderSession
from stagecut.runtime.decoding.tokenizer import Tokenizer
from tests.support import encoder_decoders
from tests.support.decoders import PROMPT, PlainLoop, decoder_plan, tiny_decoder
from tests.support.tokenizers import word_tokenizer

EXPECTED = PlainLoop(tiny_decoder()).greedy(PROMPT, 20)


class Ticks:
    """A clock that goes a second further each time it is asked."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


class Bytes(Tokenizer):
    """Tokens that are bytes, as letters of several bytes need them."""

    def __init__(self) -> None:
        pass

    def check_fits(self, vocabulary: int) -> None:
        pass

    def decode(self, tokens: Sequence[int]) -> str:
        return bytes({EXPECTED[0]: 0xC3, EXPECTED[1]: 0xA4}.get(t, 65) for t in tokens).decode(
            errors="replace"
        )


@pytest.fixture(scope="module")
def session() -> DecoderSession:
    return DecoderSession(decoder_plan(tiny_decoder()))


def test_greedy_with_its_times(session: DecoderSession) -> None:
    found = Generator(session, clock=Ticks())(PROMPT, max_new=20)
    assert [*found.tokens] == EXPECTED
    assert found.text is None
    assert (found.first_token_s, found.tokens_per_s) == (1.0, 1.0)
    assert found.memory_bytes == 90 * 64


def test_one_token_has_no_rate(session: DecoderSession) -> None:
    found = Generator(session)(PROMPT, max_new=1)
    assert ([*found.tokens], found.tokens_per_s) == (EXPECTED[:1], None)


def test_stops_before_a_token(session: DecoderSession) -> None:
    stop = EXPECTED[6]
    expected = EXPECTED[: EXPECTED.index(stop)]
    generator = Generator(session)
    assert [*generator(PROMPT, max_new=20, stop_ids=[stop]).tokens] == expected
    assert generator(PROMPT, max_new=20, stop_ids=[EXPECTED[0]]).tokens == ()


def test_by_chance_but_the_same_each_time(session: DecoderSession) -> None:
    generator = Generator(session)

    def tokens(seed: int) -> tuple[int, ...]:
        return generator(PROMPT, max_new=20, sampling=Sampling(5.0, seed=seed)).tokens

    assert tokens(1) == tokens(1) != tokens(2)


def test_text_in_and_out(session: DecoderSession, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is an extra")
    tokenizer = Tokenizer(word_tokenizer(tmp_path / "tokenizer.json"))
    told: list[tuple[int, str]] = []
    prompt = " ".join(f"w{token}" for token in PROMPT)
    found = Generator(session, tokenizer)(
        prompt, max_new=5, on_token=lambda token, text: told.append((token, text))
    )
    assert found.text == " ".join(f"w{token}" for token in EXPECTED[:5])
    assert [token for token, _ in told] == [*found.tokens] == EXPECTED[:5]
    assert "".join(text for _, text in told) == found.text


def test_letters_are_told_when_they_are_whole(session: DecoderSession) -> None:
    assert EXPECTED[0] != EXPECTED[1]
    told: list[str] = []
    Generator(session, Bytes())(PROMPT, max_new=3, on_token=lambda _, text: told.append(text))
    assert told[:2] == ["", "ä"]


def test_a_tokenizer_of_another_model(session: DecoderSession, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is an extra")
    tokenizer = Tokenizer(word_tokenizer(tmp_path / "tokenizer.json", words=50))
    with pytest.raises(UsageError, match="it has 50 tokens, and the model knows 23"):
        Generator(session, tokenizer)


@pytest.mark.parametrize(
    ("prompt", "max_new", "problem", "kind"),
    [
        ([], 1, "it has no token", FeedError),
        ([23], 1, "there is no token 23", FeedError),
        ([-1], 1, "there is no token -1", FeedError),
        ([1.7], 1, "no row of tokens", FeedError),
        (["1"], 1, "no row of tokens", FeedError),
        ([float("nan")], 1, "no row of tokens", FeedError),
        ([[1, 2]], 1, "no row of tokens", FeedError),
        (np.array([[1, 2]]), 1, "no row of tokens", FeedError),
        (b"ab", 1, "no row of tokens", FeedError),
        (None, 1, "no row of tokens", FeedError),
        (3, 1, "no row of tokens", FeedError),
        ([1] * 91, 1, "it has 91 tokens, and a sequence holds 90", FeedError),
        ([1] * 80, 12, "with 12 tokens behind its 80, a sequence of 90 is full", FeedError),
        ([1], 0, "it is 0", UsageError),
        ([1], 1.5, "it is 1.5", UsageError),
        ([1], float("nan"), "it is nan", UsageError),
        ([1], "3", "it is '3'", UsageError),
        ("text", 1, "needs a tokenizer", UsageError),
    ],
)
def test_what_it_cannot_go_on_with(
    session: DecoderSession, prompt: Any, max_new: Any, problem: str, kind: type[StagecutError]
) -> None:
    with pytest.raises(kind, match=problem):
        Generator(session)(prompt, max_new=max_new)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"stop_ids": 5}, "stop_ids"),
        ({"stop_ids": None}, "stop_ids"),
        ({"stop_ids": ["2"]}, "stop_ids"),
        ({"stop_ids": "2"}, "stop_ids"),
        ({"sampling": None}, "sampling"),
    ],
)
def test_other_arguments_that_make_no_sense(
    session: DecoderSession, options: dict[str, Any], where: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Generator(session)([1], **options)
    assert caught.value.where == where


def test_tokens_of_numpy(session: DecoderSession) -> None:
    stop = np.array([EXPECTED[6]])
    found = Generator(session)(np.array(PROMPT), max_new=np.int64(20), stop_ids=stop)  # type: ignore[arg-type]
    assert [*found.tokens] == EXPECTED[: EXPECTED.index(EXPECTED[6])]


def test_as_many_as_there_is_room_for(session: DecoderSession) -> None:
    assert len(Generator(session)([1] * 80, max_new=11).tokens) == 11


def test_no_output_scores_the_next_token() -> None:
    model = tiny_decoder(logits="points", sum="hidden")
    hidden = model.graph.output.add()
    hidden.CopyFrom(model.graph.output[0])
    hidden.name = "hidden"
    hidden.type.tensor_type.shape.dim[2].dim_value = 8
    with pytest.raises(PlanError, match="none of its outputs is called logits: points, hidden"):
        Generator(decoder_plan(model))


def test_a_source_for_those_that_have_an_encoder(session: DecoderSession, tmp_path: Path) -> None:
    source = encoder_decoders.source_of(3, 9, 1)
    with pytest.raises(FeedError, match="the model has no encoder"):
        Generator(session)(PROMPT, source=source)
    folder = encoder_decoders.write_folder(tmp_path, "two files")
    generator = Generator(encoder_decoders.plan(folder))
    with pytest.raises(FeedError, match="the model has an encoder") as caught:
        generator(PROMPT, max_new=2)
    assert "input_ids, attention_mask" in caught.value.fix
    with pytest.raises(FeedError, match="attention_mask"):
        generator(PROMPT, source={"input_ids": source["input_ids"]}, max_new=2)
    measured = benchmark(generator, Lengths(3, 2), source, bandwidth=lambda: 1e9)
    assert measured.memory_bytes == 60 * generator.session.decoding.token_bytes + 3 * 2 * 32 + 3
