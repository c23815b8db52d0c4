"""An input and its future."""

from threading import Event

import numpy as np
import pytest

from tests.support.fake_variant import FakeVariant, item

VARIANT = FakeVariant(lambda array: array)


def test_an_answer_and_an_error() -> None:
    right, wrong = item(VARIANT, 1), item(VARIANT, 1)
    assert right.begins()
    assert wrong.begins()
    outputs = [np.ones(1)]
    right.answer(outputs)
    wrong.answer(ValueError("no"))
    assert right.future.result() is outputs
    with pytest.raises(ValueError, match="no"):
        wrong.future.result()


def test_what_is_cancelled_does_not_begin_and_takes_no_answer() -> None:
    one = item(VARIANT, 1)
    one.future.cancel()
    assert not one.begins()
    one.answer([])
    assert one.future.cancelled()


def test_who_waits_to_be_admitted_is_told() -> None:
    one, other = item(VARIANT, 1), item(VARIANT, 1)
    one.let_in()
    one.admitted, other.admitted = Event(), Event()
    one.let_in()
    other.cancel()
    assert one.admitted.is_set()
    assert other.admitted.is_set()
    assert other.future.cancelled()
