"""Which samples errors of nodes are measured on, and which those of plans."""

import numpy as np

from stagecut.passes.precision.samples import MOST_SAMPLES, split

OWN = {"ids": np.arange(6).reshape(1, 6), "mask": np.array([[1, 1, 1, 1, 0, 0]])}


def test_of_given_samples_every_other_one() -> None:
    given = [{"x": np.array([at])} for at in range(7)]
    found = split(OWN, given)
    assert [int(each["x"][0]) for each in found.measured] == [0, 2, 4, 6]
    assert [int(each["x"][0]) for each in found.held_out] == [1, 3, 5]
    many = split(OWN, given * 9)
    assert len(many.measured) == len(many.held_out) == MOST_SAMPLES


def test_without_any_the_numbers_of_the_own_one_in_other_orders() -> None:
    found = split(OWN)
    every = (*found.measured, *found.held_out)
    assert found.measured[0] is OWN
    assert len({each["ids"].tobytes() for each in every}) == len(every) == 8
    assert all(sorted(each["ids"][0]) == list(range(6)) for each in every)


def test_what_stands_at_one_place_stays_together() -> None:
    for each in split(OWN).held_out:
        padded = {int(token) for token in each["ids"][each["mask"] == 0]}
        assert padded == {4, 5}


def test_the_same_every_time() -> None:
    one, other = split(OWN), split(OWN)
    pairs = zip(one.held_out, other.held_out, strict=True)
    assert all(np.array_equal(a["ids"], b["ids"]) for a, b in pairs)


def test_nothing_is_held_out_where_all_orders_are_the_same() -> None:
    found = split({"x": np.ones((2, 3))})
    assert (len(found.measured), found.held_out) == (1, ())


def test_one_given_sample_stands_for_the_own_one() -> None:
    given = {"ids": np.arange(6).reshape(1, 6) + 10, "mask": OWN["mask"]}
    assert split(OWN, [given]).measured[0] is given
