"""Bank conflicts against a replay in plain words, and against common sense."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.backends.manycore import banks
from stagecut.backends.manycore.banks import Program, Scratchpad, Stream
from stagecut.backends.manycore.kernels.gemm import Scalar, scalar_program, streamed_program
from tests.support.manycore import chip
from tests.support.manycore_replay import Banks

PRECISIONS = ("fp64", "fp32", "fp16", "fp8")

pads = st.builds(
    Scratchpad,
    banks=st.sampled_from([8, 16, 32]),
    credits=st.integers(1, 4),
    latency=st.integers(1, 4),
    skew=st.integers(0, 6),
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    one = chip(draw(st.sampled_from(PRECISIONS)))
    cores = draw(st.integers(1, 8))
    m, n = draw(st.integers(1, 10)), 8 * draw(st.integers(1, 2))
    k = draw(st.integers(1, 9)) * one.fpu.lanes
    if draw(st.booleans()):
        return streamed_program(one, m, n, k, cores, transposed=draw(st.booleans()))
    kinds: list[Scalar] = ["naive", "unrolled", "simd"]
    kind = draw(st.sampled_from(kinds))
    return scalar_program(one, m, n, k // one.fpu.lanes, cores, kind=kind, transposed=True)


@settings(max_examples=40, deadline=None)
@given(programs(), pads)
def test_the_replay_agrees_with_the_one_in_plain_words(program: Program, pad: Scratchpad) -> None:
    most = max(program.ops)
    expected = Banks(program, pad).cycles()
    assert banks.Replay(program, pad, most).run() == expected
    assert banks.cycles(program, pad) == expected


@settings(max_examples=40, deadline=None)
@given(programs(), pads, st.integers(1, 200))
def test_no_more_of_a_program_is_replayed_than_counts(
    program: Program, pad: Scratchpad, most: int
) -> None:
    replay = banks.Replay(program, pad, min(most, max(program.ops)))
    least = banks._least(program, pad, min(most, max(program.ops)))
    assert banks._replayed(least, pad) == (replay.run(), replay.halfway)


@settings(max_examples=40, deadline=None)
@given(programs(), pads)
def test_nothing_is_faster_than_undisturbed(program: Program, pad: Scratchpad) -> None:
    taken = banks.cycles(program, pad)
    assert taken >= max(map(program.undisturbed, program.ops)) - program.gap


PAD = Scratchpad(banks=32, credits=4, latency=3, skew=5)


@pytest.mark.parametrize(("precision", "m", "n", "k"), [("fp32", 32, 64, 64), ("fp64", 32, 32, 64)])
def test_what_is_not_replayed_is_close(precision: str, m: int, n: int, k: int) -> None:
    """Four times as much as is replayed at the most."""
    program = streamed_program(chip(precision), m, n, k, 8, transposed=True)
    whole = banks.Replay(program, PAD, max(program.ops)).run()
    assert max(program.ops) > banks.REPLAYED
    assert banks.cycles(program, PAD) == pytest.approx(whole, rel=0.04)


def test_a_core_alone_loses_nothing() -> None:
    program = streamed_program(chip("fp32"), 4, 16, 64, 1, transposed=True)
    lost = banks.cycles(program, PAD) - program.undisturbed(program.ops[0])
    assert lost < program.lead + 10


def test_rows_that_begin_in_one_bank_are_slower_than_rows_that_do_not() -> None:
    """320 bytes a row against 256: cores that read one row of B find its numbers in other banks."""
    aligned, spread = (
        streamed_program(chip("fp32"), 16, 64, k, 8, transposed=True) for k in (64, 80)
    )
    lost = [
        banks.cycles(program, PAD) - program.undisturbed(program.ops[0])
        for program in (aligned, spread)
    ]
    assert lost[1] < lost[0] / 2


def test_the_turn_of_a_bank_goes_round() -> None:
    """Three cores that want one bank all the time get a third of it each."""
    stream = Stream(1, 0, 0, (30,), (0,))
    other = Stream(0, 8, 16, (30,), (0,))
    program = Program((30, 30, 30), 30, (other, stream))
    taken = banks.cycles(program, replace(PAD, skew=0))
    assert 90 <= taken <= 95
