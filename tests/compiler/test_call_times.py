"""Which devices may still be the fastest with more inputs in a call."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.call_times import CallTimes


def _times(**devices: tuple[float, ...]) -> CallTimes:
    """Of calls of 1, 2, 4, ... inputs, up to 8."""
    times = CallTimes(8)
    for at in range(max(map(len, devices.values()))):
        taken = {name: took[at] for name, took in devices.items() if at < len(took)}
        times = times.with_calls(1 << at, taken)
    return times


def test_the_fastest_with_few_inputs_come_first() -> None:
    assert [*_times(b=(2.0, 4.0), a=(2.5, 3.5)).known_s(1.75).items()] == [("a", 3.5), ("b", 4.0)]


def test_who_gains_with_each_size_stays_though_others_are_faster() -> None:
    """As MiniLM on one thread of ONNX Runtime, beside an engine to which batches bring nothing."""
    times = _times(ort=(4.9, 9.1, 17.0), openvino=(4.35, 8.7, 17.5))
    assert times.known_s(4.35) == {"ort": 17.0, "openvino": math.inf}


def test_who_would_be_far_behind_with_the_most_inputs_is_given_up() -> None:
    assert _times(a=(1.0, 1.2), b=(2.0, 3.9)).known_s(0.6)["b"] == math.inf


def test_one_size_alone_gives_nobody_up() -> None:
    """A call of eight inputs takes as long as one of one input, at the least."""
    assert _times(a=(1.0,), b=(7.9,)).known_s(1.0) == {"a": 1.0, "b": 7.9}


def test_who_was_not_tried_is_as_before() -> None:
    times = _times(a=(1.0, 1.5)).with_calls(4, {"a": math.inf})
    assert times.known_s(0.75) == {"a": 1.5}


@given(
    overhead_s=st.floats(0.0, 10.0),
    input_s=st.floats(0.1, 10.0),
    sizes=st.integers(2, 4),
)
def test_what_larger_calls_take_where_calls_grow_in_proportion(
    overhead_s: float, input_s: float, sizes: int
) -> None:
    taken = tuple(overhead_s + input_s * (1 << at) for at in range(sizes))
    assert _times(a=taken).least_s("a") == pytest.approx((overhead_s + 8 * input_s) / 8)


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=4))
def test_no_more_is_asked_of_a_call_than_that_it_takes_as_long_as_a_smaller_one(
    taken: list[float],
) -> None:
    assert _times(a=tuple(taken)).least_s("a") >= taken[-1] / 8
