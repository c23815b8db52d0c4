"""Several sequences in one step: each says what it says alone."""

from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest

from stagecut.compiler.entries import entries_of
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.errors import FeedError, UsageError
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.runtime.decoding.benchmark import Lengths, benchmark
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.sampling import Sampling
from stagecut.runtime.decoding.session import DecoderSession
from tests.support.decoders import HIDDEN, PROMPT, PlainLoop, decoder_plan, recurrent, tiny_decoder
from tests.support.encoder_decoders import write_folder

PROMPTS = (PROMPT, (4, 2, 9), (1,))
OPTIONS = DecodingOptions(prompt=5, capacity=90, sequences=3)


@pytest.fixture(scope="module", params=["scattered", "in its memory"])
def session(request: pytest.FixtureRequest) -> DecoderSession:
    """Over two engines; or with a state in the memory of a device."""
    other, seed = {"scattered": ("cpu.parallel", 2), "in its memory": ("pim.hbm", 0)}[request.param]
    plan = decoder_plan(tiny_decoder(), ["cpu.serial", other], seed=seed, decoding=OPTIONS)
    for entry in plan.document.entries.values():
        assert len({stage.device for stage in entry.variants[0].schedule.stages}) == 2
    return DecoderSession(plan)


def _alone(prompts: Sequence[Sequence[int]], count: int, fused: str = "") -> list[list[int]]:
    loop = PlainLoop(tiny_decoder(fused))
    return [loop.greedy(prompt, count) for prompt in prompts]


def test_prompts_of_any_length(session: DecoderSession) -> None:
    found = Generator(session).several(PROMPTS, max_new=12)
    assert [[*each.tokens] for each in found] == _alone(PROMPTS, 12)
    assert [each.prompt for each in found] == [5, 3, 1]
    assert sum(each.memory_bytes for each in found) == 3 * 90 * 64


def test_each_ends_where_it_ends(session: DecoderSession) -> None:
    expected = _alone(PROMPTS, 8)
    stop = expected[1][3]
    found = Generator(session).several(PROMPTS, max_new=8, stop_ids=[stop])
    assert [[*each.tokens] for each in found] == [
        tokens[: tokens.index(stop)] if stop in tokens else tokens for tokens in expected
    ]


def test_the_rate_is_of_the_tokens_that_all_say() -> None:
    """Those that are over earlier say none in later steps, each of which takes a second here."""
    expected = _alone(PROMPTS, 8)
    stop = expected[1][3]
    clock = partial(next, count(0.0))
    generator = Generator(decoder_plan(tiny_decoder(), decoding=OPTIONS), clock=clock)
    found = generator.several(PROMPTS, max_new=8, stop_ids=[stop])
    lengths = [tokens.index(stop) if stop in tokens else 8 for tokens in expected]
    assert min(lengths) < max(lengths) == 8
    behind = sum(length - 1 for length in lengths)
    assert {(each.step_s, each.tokens_per_s) for each in found} == {(1.0, behind / 7)}


def test_by_chance_each_has_a_seed_of_its_own(session: DecoderSession) -> None:
    generator, same = Generator(session), [PROMPT] * 3
    found = generator.several(same, max_new=12, sampling=Sampling(5.0, seed=3))
    again = generator.several(same, max_new=12, sampling=Sampling(5.0, seed=4))
    assert len({each.tokens for each in found}) == 3
    assert [each.tokens for each in found[1:]] == [each.tokens for each in again[:2]]


def test_through_fork_and_truncation(session: DecoderSession) -> None:
    """What of the prompts counts is kept, and forgotten with it."""
    tokens = np.array([[5, 17, 9], [0, 3, 7], [0, 0, 2]])
    prompt = {"input_ids": tokens, "attention_mask": (tokens > 0).astype(np.int64)}
    step = {"input_ids": np.array([[4], [5], [6]])}
    with session.sequence() as sequence:
        sequence.run("prefill", prompt)
        [expected] = sequence.run("decode", step)
        with sequence.fork() as fork:
            fork.truncate(3)
            np.testing.assert_array_equal(fork.run("decode", step)[0], expected)
            fork.truncate(0)
            fork.run("prefill", {"input_ids": tokens})
            assert (fork.run("decode", step)[0] != expected)[1:].any()


def test_what_does_not_fit(session: DecoderSession) -> None:
    with pytest.raises(FeedError, match="2 given, and the plan answers 3 at once"):
        Generator(session).several([PROMPT] * 2)
    with pytest.raises(FeedError, match="1 given, and the plan answers 3 at once"):
        Generator(session)(PROMPT)
    with session.sequence() as sequence, pytest.raises(FeedError, match="3 rows of tokens"):
        sequence.run("prefill", {"input_ids": np.array([PROMPT])})


def test_a_benchmark_counts_the_tokens_of_all() -> None:
    generator = Generator(decoder_plan(tiny_decoder(), decoding=OPTIONS))
    found = benchmark(generator, Lengths(7, 4), bandwidth=lambda: 1e6)
    assert found.tokens_per_s == pytest.approx(3 / found.token_s)
    assert found.memory_bytes == 3 * 90 * 64
    assert found.step_bytes == generator.session.weight_bytes + 3 * 8 * 64


def test_an_operator_that_counts_from_the_front() -> None:
    """It takes prompts of one length, and would look at others' first tokens."""
    model = tiny_decoder("GroupQueryAttention")
    options = DecodingOptions(prompt=5, capacity=90, sequences=2)
    generator = Generator(decoder_plan(model, decoding=options))
    equal = [PROMPT, (4, 2, 9, 1, 2)]
    found = generator.several(equal, max_new=12)
    assert [[*each.tokens] for each in found] == _alone(equal, 12, "GroupQueryAttention")
    with pytest.raises(FeedError, match="they have 5, 3 tokens"):
        generator.several(PROMPTS[:2])


def test_a_model_that_reads_one_token_at_a_time() -> None:
    """It takes prompts of one length, mask or not: no step is told of all of a prompt."""
    model = recurrent()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    mask = onnx.helper.make_tensor_value_info("attention_mask", onnx.TensorProto.INT64, [2, "all"])
    model.graph.input.append(mask)
    options = DecodingOptions(states=HIDDEN)
    generator = Generator(decoder_plan(model, decoding=options))
    found = generator.several([(4, 2), (9, 1)], max_new=3)
    again = generator.several([(9, 1), (4, 2)], max_new=3)
    assert [each.tokens for each in found] == [each.tokens for each in again[::-1]]
    with pytest.raises(FeedError, match="they have 3, 2 tokens"):
        generator.several([(4, 2, 9), (9, 1)], max_new=3)


def test_a_model_whose_batch_is_not_open() -> None:
    model = tiny_decoder()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    imported, _ = import_model(model)
    _, decoding = entries_of(imported, [{}], None, DecodingOptions())
    assert decoding is not None
    assert decoding.sequences == 2
    assert {state.row[0] for state in decoding.states} == {2}
    with pytest.raises(UsageError, match="the model runs 2 at once, and 3 are asked for"):
        entries_of(imported, [{}], None, DecodingOptions(sequences=3))


def test_an_encoder_speaks_of_one_thing(tmp_path: Path) -> None:
    imported, _ = import_model(write_folder(tmp_path, "two files"))
    with pytest.raises(UsageError, match="2 at once are asked for, and its encoder"):
        entries_of(imported, [{"input_ids": (1, 4)}], None, DecodingOptions(sequences=2))


def test_no_sequence() -> None:
    with pytest.raises(UsageError, match="sequences: it is 0"):
        DecodingOptions(sequences=0)
