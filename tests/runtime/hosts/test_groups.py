"""Consecutive stages of one host are a group; between groups, values are read and written."""

from stagecut.runtime.hosts.groups import groups_of
from tests.support.staged import staged

MODEL = """g (float[2] x) => (float[2] y, float[2] u) {
    [a] u = Relu(x)  [b] v = Tanh(u)  [c] w = Neg(v)  [d] y = Add(w, u) }"""
SCHEDULE = """run here: a
transfer u: host > b
run b.one: b
run b.two: c
transfer w: b > host
run here: d"""
HOST_OF = {"here": "local", "b.one": "b", "b.two": "b"}


def test_groups_are_what_runs_on_one_host_in_one_go() -> None:
    first, middle, last = groups_of(staged(MODEL, SCHEDULE), ["y", "u"], HOST_OF)
    assert [group.host for group in (first, middle, last)] == ["local", "b", "local"]
    assert [group.first for group in (first, middle, last)] == [0, 1, 3]
    assert (first.reads, first.writes) == (("x",), ("u",))
    assert (middle.reads, middle.writes) == (("u",), ("w",))
    assert (last.reads, last.writes) == (("w", "u"), ("y",))
    assert str(middle.staged.schedule) == "run b.one: b\nrun b.two: c"
    assert [group.is_here for group in (first, middle, last)] == [True, False, True]
    assert middle.reads_bytes == 8


def test_what_is_on_one_host_is_one_group() -> None:
    [group] = groups_of(staged(MODEL, SCHEDULE), ["y"], dict.fromkeys(HOST_OF, "b"))
    assert (group.reads, group.writes) == (("x",), ("y",))
