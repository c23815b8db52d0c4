"""The collector rests for a while, and then does what it did before."""

import gc
import weakref

import pytest

from stagecut.compiler.ir.collector import keep_to_the_end, resting_collector


def test_it_goes_on_afterwards_even_after_an_error() -> None:
    seen = []

    def fail() -> None:
        with resting_collector():
            seen.append(gc.isenabled())
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert (seen, gc.isenabled()) == ([False], True)


def test_what_was_at_rest_stays_at_rest() -> None:
    with resting_collector():
        with resting_collector():
            pass
        assert not gc.isenabled()


def test_what_is_kept_outlives_all_that_refer_to_it() -> None:
    class Kept:
        pass

    kept = Kept()
    still_there = weakref.ref(kept)
    keep_to_the_end(kept)
    del kept
    gc.collect()
    assert still_there() is not None
    gc.unfreeze()
