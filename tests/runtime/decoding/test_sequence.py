"""Sequences: greedy tokens are those of a plain loop, however a sequence got to where it is."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import ClosedError, FeedError, UsageError
from stagecut.compiler.ir.state import Decoding, DecodingOptions, Handed
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.held import Held
from stagecut.runtime.decoding.sequence import Sequence
from stagecut.runtime.decoding.session import DecoderSession
from tests.support import encoder_decoders
from tests.support.decoders import (
    HIDDEN,
    PROMPT,
    PlainLoop,
    decoder_plan,
    recurrent,
    tiny_decoder,
)
from tests.support.encoder_decoders import source_of

CAPACITY = 90


@pytest.fixture(scope="module")
def session() -> DecoderSession:
    return DecoderSession(decoder_plan(tiny_decoder()))


@pytest.fixture(scope="module")
def loop() -> PlainLoop:
    return PlainLoop(tiny_decoder())


def _row(*tokens: int) -> dict[str, Any]:
    return {"input_ids": np.array([tokens])}


def _greedy(sequence: Sequence, logits: Any, count: int) -> list[int]:
    """So many tokens, the first by `logits`; all but the last are read back in."""
    tokens = [int(logits[0, -1].argmax())]
    while len(tokens) < count:
        [logits] = sequence.run("decode", _row(tokens[-1]))
        tokens.append(int(logits[0, -1].argmax()))
    return tokens


def test_tokens_of_a_plain_loop(session: DecoderSession, loop: PlainLoop) -> None:
    expected = loop.greedy(PROMPT, 70)
    assert len(set(expected)) > 3  # or else it shows little
    with session.sequence() as sequence:
        [logits] = sequence.run("prefill", _row(*PROMPT))
        assert _greedy(sequence, logits, 70) == expected
        assert sequence.length == len(PROMPT) + 69


def test_decode_is_the_full_forward_pass(session: DecoderSession, loop: PlainLoop) -> None:
    tokens = [*PROMPT, *range(20)]
    expected = loop.scores(tokens)
    with session.sequence() as sequence:
        [logits] = sequence.run("prefill", _row(*PROMPT))
        found = [logits[0, -1]]
        for token in tokens[len(PROMPT) :]:
            [logits] = sequence.run("decode", _row(token))
            found.append(logits[0, -1])
    np.testing.assert_allclose(found, expected[len(PROMPT) - 1 :], atol=1e-4)


def test_several_tokens_in_one_step(session: DecoderSession, loop: PlainLoop) -> None:
    with session.sequence() as sequence:
        sequence.run("prefill", _row(*PROMPT))
        [logits] = sequence.run("decode", _row(4, 9, 2))
        assert sequence.length == len(PROMPT) + 3
    np.testing.assert_allclose(logits[0], loop.scores([*PROMPT, 4, 9, 2])[len(PROMPT) :], atol=1e-4)


def test_a_fork_and_its_original_go_ways_of_their_own(
    session: DecoderSession, loop: PlainLoop
) -> None:
    with session.sequence() as sequence:
        sequence.run("prefill", _row(*PROMPT))
        with sequence.fork() as fork:
            [one] = sequence.run("decode", _row(4))
            [other] = fork.run("decode", _row(9))
            assert _greedy(sequence, one, 20) == loop.greedy([*PROMPT, 4], 20)
            assert _greedy(fork, other, 20) == loop.greedy([*PROMPT, 9], 20)


def test_truncated_it_goes_on_from_there(session: DecoderSession, loop: PlainLoop) -> None:
    with session.sequence() as sequence:
        [logits] = sequence.run("prefill", _row(*PROMPT, 4, 4, 4, 4))
        sequence.truncate(len(PROMPT))
        [logits] = sequence.run("decode", _row(9))
        assert _greedy(sequence, logits, 20) == loop.greedy([*PROMPT, 9], 20)
        sequence.truncate(0)
        [logits] = sequence.run("prefill", _row(9, 1))
        assert _greedy(sequence, logits, 5) == loop.greedy([9, 1], 5)


def test_side_by_side_in_threads(session: DecoderSession, loop: PlainLoop) -> None:
    prompts = [(at, 7, 1) for at in range(6)]

    def run(prompt: tuple[int, ...]) -> list[int]:
        with session.sequence() as sequence:
            [logits] = sequence.run("prefill", _row(*prompt))
            return _greedy(sequence, logits, 30)

    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(run, prompts)] == [loop.greedy(prompt, 30) for prompt in prompts]


def test_memory_is_that_of_the_capacity(session: DecoderSession) -> None:
    with session.sequence() as sequence:
        before = sequence.memory_bytes
        assert before == CAPACITY * session.decoding.token_bytes == CAPACITY * 2 * 32
        sequence.run("prefill", _row(*PROMPT))
        assert sequence.memory_bytes == before


def test_full_and_not_a_token_more(session: DecoderSession) -> None:
    with session.sequence() as sequence:
        with pytest.raises(FeedError, match="91 tokens behind 0, and a sequence holds 90"):
            sequence.run("prefill", _row(*([1] * 91)))
        sequence.run("prefill", _row(*([1] * 89)))
        sequence.run("decode", _row(1))
        with pytest.raises(FeedError, match="1 tokens behind 90, and a sequence holds 90"):
            sequence.run("decode", _row(1))
        assert sequence.length == 90


def test_a_run_that_fails_leaves_it_as_it_was(session: DecoderSession) -> None:
    with session.sequence() as sequence:
        [expected] = sequence.run("prefill", _row(*PROMPT))
        with pytest.raises(FeedError, match="is float64"):
            sequence.run("decode", {"input_ids": np.array([[0.5]])})
        assert sequence.length == len(PROMPT)
        sequence.truncate(0)
        [again] = sequence.run("prefill", _row(*PROMPT))
        np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize(
    ("entry", "held", "problem"),
    [
        ("encode", 0, "no entry 'encode'"),
        ("decode", 0, "this one is empty"),
        ("prefill", 5, "holds 5 tokens"),
    ],
)
def test_entries_that_are_not_next(
    session: DecoderSession, entry: str, held: int, problem: str
) -> None:
    with session.sequence() as sequence:
        if held:
            sequence.run("prefill", _row(*range(held)))
        with pytest.raises(UsageError, match=problem):
            sequence.run(entry, _row(1))


@pytest.mark.parametrize(
    ("feeds", "problem"),
    [
        ({}, "one row of tokens"),
        ({"input_ids": np.array([1, 2])}, "one row of tokens"),
        ({"input_ids": np.array([[1], [2]])}, "one row of tokens"),
        ({"input_ids": np.zeros((1, 0), np.int64)}, "one row of tokens"),
        ({"input_ids": [[1], [2, 3]]}, "one row of tokens"),
        ([1, 2], "one row of tokens"),
        ({**_row(1), "past_key_values.0.key": np.zeros(1)}, "which the sequence keeps"),
        ({**_row(1), "other": np.zeros(1)}, "no input 'other'"),
    ],
    ids=["none", "no row", "two rows", "empty", "ragged", "no mapping", "a state", "unknown"],
)
def test_what_cannot_be_fed(session: DecoderSession, feeds: Any, problem: str) -> None:
    with session.sequence() as sequence, pytest.raises(FeedError, match=problem):
        sequence.run("prefill", feeds)


def test_a_mask_of_its_own(session: DecoderSession, loop: PlainLoop) -> None:
    """What is masked does not count."""
    with session.sequence() as sequence:
        [whole] = sequence.run("prefill", _row(*PROMPT))
        sequence.truncate(0)
        mask = np.ones((1, len(PROMPT)), np.int64)
        mask[0, 0] = 0
        [masked] = sequence.run("prefill", {**_row(*PROMPT), "attention_mask": mask})
    np.testing.assert_allclose(whole[0, -1], loop.scores(PROMPT)[-1], atol=1e-4)
    assert not np.allclose(masked[0, -1], whole[0, -1])


def test_closed(session: DecoderSession) -> None:
    sequence = session.sequence()
    sequence.close()
    with pytest.raises(ClosedError, match="the sequence is closed"):
        sequence.run("prefill", _row(1))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> DecoderSession:
    """Of an encoder-decoder."""
    folder = encoder_decoders.write_folder(tmp_path_factory.mktemp("model"), "three files")
    return DecoderSession(encoder_decoders.plan(folder))


def test_what_was_encoded_is_read_by_every_run(spoken: DecoderSession) -> None:
    """And by forks, and behind a truncation; another source is another sequence."""
    loop, sources = encoder_decoders.PlainLoop(), [source_of(3, 9, 1), source_of(7, 2, 11, 5, 0)]
    expected = [loop.greedy(source, PROMPT, 20) for source in sources]
    assert expected[0] != expected[1]
    with spoken.sequence() as one, spoken.sequence() as other:
        for sequence, source, tokens in zip((one, other), sources, expected, strict=True):
            assert sequence.run("encode", source) == []
            [logits] = sequence.run("prefill", _row(*PROMPT))
            with sequence.fork() as fork:
                assert _greedy(fork, logits, 20) == tokens
            assert _greedy(sequence, logits, 20) == tokens
            sequence.truncate(0)
            [logits] = sequence.run("prefill", _row(*PROMPT))
            assert _greedy(sequence, logits, 20) == tokens
        one.truncate(0)
        one.run("encode", sources[1])
        [logits] = one.run("prefill", _row(*PROMPT))
        assert _greedy(one, logits, 20) == expected[1]


def test_memory_of_what_is_held_whole(spoken: DecoderSession) -> None:
    with spoken.sequence() as sequence:
        before = sequence.memory_bytes
        assert before == spoken.capacity * spoken.decoding.token_bytes
        sequence.run("encode", source_of(3, 9, 1, 4))
        assert sequence.memory_bytes - before == spoken.held_bytes > 4 * 2 * 8 * 4


def test_the_callers_arrays_stay_the_callers() -> None:
    """What is handed on as it came is copied: who writes into it afterwards changes no sequence."""

    class Same:
        def run(self, output_names: object, input_feed: Feeds) -> list[Any]:
            return [input_feed["x"]]

        def run_variant(self, at: int, output_names: object, input_feed: Feeds) -> list[Any]:
            raise AssertionError((at, output_names, input_feed))

    decoding = Decoding((), 10, "x", handed=(Handed("x", "memory"),))
    held = Held(decoding, {})
    x = np.zeros(3)
    Sequence({"encode": Same()}, {}, ["x"], decoding, held).run("encode", {"x": x})
    x[:] = 1
    assert not held.arrays["memory"].any()


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        (["prefill"], "prefill reads what encode says, which has not run"),
        (["decode"], "decode reads what encode says, which has not run"),
        (["encode", "decode"], "this one is empty"),
        (["encode", "prefill", "encode"], "encode begins a sequence, and this one holds 1 tokens"),
    ],
)
def test_entries_of_an_encoder_decoder_that_are_not_next(
    spoken: DecoderSession, entries: list[str], problem: str
) -> None:
    *before, last = entries
    feeds = {"encode": source_of(3, 9), "prefill": _row(1), "decode": _row(1)}
    with spoken.sequence() as sequence:
        for entry in before:
            sequence.run(entry, feeds[entry])
        with pytest.raises(UsageError, match=problem):
            sequence.run(last, feeds[last])


def test_a_state_that_is_replaced_has_no_way_back() -> None:
    """It reads its tokens one by one."""
    session = DecoderSession(decoder_plan(recurrent(), decoding=DecodingOptions(states=HIDDEN)))
    assert session.decoding.entries == ("decode",)
    with session.sequence() as sequence:
        found = [sequence.run("decode", _row(token))[0] for token in (3, 5, 3)]
        assert not np.allclose(found[0], found[2])
        with pytest.raises(UsageError, match="no way back to 2"):
            sequence.truncate(2)
        with pytest.raises(FeedError, match="2 tokens, and the model takes one at a time"):
            sequence.run("decode", _row(1, 2))
        assert sequence.length == 3
        sequence.truncate(0)
        np.testing.assert_array_equal(sequence.run("decode", _row(3))[0], found[0])
        assert sequence.memory_bytes == session.held_bytes == 32
    assert Generator(session)([3, 5, 3], max_new=1).tokens == (int(found[2].argmax()),)
