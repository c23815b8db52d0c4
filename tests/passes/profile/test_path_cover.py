"""As few covers as can be: by eye, and against brute force."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.passes.profile import path_cover
from stagecut.passes.profile.path_cover import Demand, fewest_covers

#: The ways to meet each task, written "node memory" for each node, and how many covers it takes.
CASES = {
    "nothing to do": ([], 0),
    "one way": (["a pim"], 1),
    "tasks that agree": (["a pim", "b host", "a pim,c host"], 1),
    "tasks that cannot be met together": (["a pim", "a host"], 2),
    "one of several ways is enough": (["a pim|b host", "a host"], 1),
    "three ways to run one node": (["a x", "a y", "a z|b x"], 2),
    "three places for it": (["a x", "a y", "a z"], 3),
}


def _tasks(texts: list[str]) -> list[list[Demand]]:
    return [
        [
            dict(tuple(pair.split()) for pair in way.split(","))  # type: ignore[misc]
            for way in text.split("|")
        ]
        for text in texts
    ]


@pytest.mark.parametrize(("texts", "fewest"), CASES.values(), ids=CASES.keys())
def test_by_eye(texts: list[str], fewest: int) -> None:
    tasks = _tasks(texts)
    found = fewest_covers(tasks)
    assert (len(found.covers), found.lower_bound) == (fewest, fewest)
    assert all(_met(task, found.covers) for task in tasks)


def _met(task: list[Demand], covers: tuple[Demand, ...]) -> bool:
    return any(demand.items() <= cover.items() for demand in task for cover in covers)


DEMANDS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), min_size=1, max_size=2)


@given(st.lists(st.lists(DEMANDS, min_size=1, max_size=2), max_size=4))
def test_no_choice_takes_fewer(tasks: list[list[Demand]]) -> None:
    found = fewest_covers(tasks)
    assert all(_met(task, found.covers) for task in tasks)
    assert found.lower_bound == len(found.covers)
    runs = [dict(zip("abc", memories, strict=True)) for memories in product("xy", repeat=3)]
    fewest = next(
        number
        for number in range(len(tasks) + 1)
        if any(all(_met(t, chosen) for t in tasks) for chosen in product(runs, repeat=number))
    )
    assert len(found.covers) == fewest


def test_a_search_that_is_cut_short_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six tasks that may be met in two ways each come before two that rule each other out."""
    monkeypatch.setattr(path_cover, "_MAX_STEPS", 50)
    tasks = _tasks([f"{name} x|{name} y" for name in "abcdef"] + ["n 1|n 2|n 3", "n 4|n 5|n 6"])
    found = fewest_covers(tasks)
    assert all(_met(task, found.covers) for task in tasks)
    assert (found.lower_bound, len(found.covers)) == (1, 2)
