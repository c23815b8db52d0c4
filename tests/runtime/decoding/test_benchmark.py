"""Benchmarks of plans: times by a clock of ours, shares by bytes that can be counted."""

import itertools

import pytest

from stagecut.compiler.ir.errors import FeedError, PlanError, UsageError
from stagecut.runtime.decoding.benchmark import Lengths, benchmark, share_of
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.session import DecoderSession
from tests.support.decoders import PROMPT, decoder_plan, tiny_decoder


@pytest.fixture(scope="module")
def session() -> DecoderSession:
    return DecoderSession(decoder_plan(tiny_decoder()))


def test_times_and_shares(session: DecoderSession) -> None:
    """A clock on which everything takes half a second; steps are behind 7, 8 and 9 tokens."""
    ticks, steps = itertools.count(step=0.25), itertools.count(step=0.5)
    generator = Generator(session, clock=lambda: next(ticks))
    found = benchmark(generator, Lengths(7, 4), bandwidth=lambda: 1e6, clock=lambda: next(steps))
    assert (len(found.tokens), found.rounds, found.memory_bytes) == (4, 3, 90 * 64)
    assert (found.first_token_s, found.token_s, found.tokens_per_s) == (0.25, 0.5, 2.0)
    assert found.step_bytes == session.weight_bytes + 8 * 64
    assert found.bandwidth_share == pytest.approx(found.step_bytes * 2 / 1e6)


def test_the_same_tokens_each_time(session: DecoderSession) -> None:
    one, other = (
        benchmark(Generator(session), Lengths(7, 4), bandwidth=lambda: 1.0) for _ in range(2)
    )
    assert one.tokens == other.tokens


def test_the_share_of_what_was_generated(session: DecoderSession) -> None:
    ticks = itertools.count(step=0.5)
    generator = Generator(session, clock=lambda: next(ticks))
    found = generator(PROMPT, max_new=3)
    read = session.weight_bytes + 64 * (len(PROMPT) + 0.5)
    assert share_of(found, generator, 1e6) == pytest.approx(read * 2 / 1e6)
    assert share_of(generator(PROMPT, max_new=1), generator, 1e6) is None


def test_modelled_devices_take_no_time_of_this_machine() -> None:
    generator = Generator(decoder_plan(tiny_decoder(), ["cpu.serial", "null"], seed=1))
    assert share_of(generator(PROMPT, max_new=2), generator, 1e6) is None
    with pytest.raises(PlanError, match="runs on modelled devices"):
        benchmark(generator, Lengths(7, 4))


def test_no_room(session: DecoderSession) -> None:
    with pytest.raises(FeedError, match="it has 91 tokens, and a sequence holds 90"):
        benchmark(Generator(session), Lengths(91, 2))


@pytest.mark.parametrize(("prompt", "new"), [(0, 2), (1, 1)])
def test_lengths_that_measure_nothing(prompt: int, new: int) -> None:
    with pytest.raises(UsageError, match=f"a prompt of {prompt} and {new} new tokens"):
        Lengths(prompt, new)
