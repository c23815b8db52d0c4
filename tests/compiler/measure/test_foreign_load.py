"""How much other work ran on the CPUs, by files as the kernel writes them."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from stagecut.compiler.measure.foreign_load import (
    ForeignLoad,
    Reading,
    foreign_load,
    read_load,
)

STAT = """cpu  99 99 99 99 99 99 99 99 99 99
cpu0 100 20 30 1000 50 1 2 7 40 0
cpu1 200 0 0 900 0 0 0 0 0 0
cpu7 9999 0 0 0 0 0 0 0 0 0
intr 1 2 3
"""
PRESSURE = """some avg10=1.50 avg60=0.20 avg300=0.00 total={}
full avg10=0.00 avg60=0.00 avg300=0.00 total=7
"""


@pytest.fixture(autouse=True)
def _two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "sysconf", lambda _: 100)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_busy_time_is_that_of_the_own_cpus(tmp_path: Path) -> None:
    """100 + 20 + 30 + 1 + 2 + 7 ticks of one, 200 of the other."""
    _write(tmp_path / "stat", STAT)
    found = read_load(tmp_path, tmp_path)
    assert found is not None
    assert (found.busy_s, found.cpus, found.waited_s) == (3.6, 2, None)


def test_waiting_is_that_of_the_own_group_or_of_the_machine(tmp_path: Path) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    _write(proc / "stat", STAT)
    _write(proc / "pressure" / "cpu", PRESSURE.format(2_000_000))

    def waited_s() -> float | None:
        found = read_load(proc, cgroups)
        assert found is not None
        return found.waited_s

    assert waited_s() == 2.0
    _write(proc / "self" / "cgroup", "1:cpu:/\n0::/\n")
    assert waited_s() == 2.0
    _write(proc / "self" / "cgroup", "0::/app/one\n")
    assert waited_s() == 2.0
    _write(cgroups / "app" / "one" / "cpu.pressure", PRESSURE.format(500_000))
    assert waited_s() == 0.5
    _write(cgroups / "app" / "one" / "cpu.pressure", "some nonsense")
    assert waited_s() == 2.0


@pytest.mark.parametrize("stat", [None, "cpu7 1 2 3", "cpu0 many"], ids=str)
def test_a_machine_that_does_not_tell(stat: str | None, tmp_path: Path) -> None:
    if stat is not None:
        _write(tmp_path / "stat", stat)
    assert read_load(tmp_path, tmp_path) is None


def test_children_count_as_ones_own(tmp_path: Path) -> None:
    """250 ticks of one that is there, whose name has a bracket in it; one is gone since."""
    _write(tmp_path / "stat", STAT)
    before = read_load(tmp_path, tmp_path)
    _write(tmp_path / "self" / "task" / "1" / "children", "71 72 ")
    _write(tmp_path / "71" / "stat", f"71 (a) b) S {'0 ' * 10} 200 50 0 0")
    after = read_load(tmp_path, tmp_path)
    assert before is not None
    assert after is not None
    assert 2.5 <= after.own_s - before.own_s < 3.0


def test_this_machine() -> None:
    found = read_load()
    assert found is None or found.busy_s > 0


BEFORE = Reading(at_s=10.0, busy_s=100.0, own_s=5.0, waited_s=1.0, cpus=2)


def _after(busy_s: float, own_s: float, waited_s: float | None, time_s: float = 4.0) -> Reading:
    return Reading(10.0 + time_s, 100.0 + busy_s, 5.0 + own_s, waited_s, cpus=2)


CASES: dict[str, tuple[Reading | None, ForeignLoad | None]] = {
    "alone": (_after(4.0, 4.0, 1.0), ForeignLoad(0.0, 0.0)),
    "others take one of two": (_after(8.0, 4.0, 3.0), ForeignLoad(0.5, 0.5)),
    "ticks that are not yet counted": (_after(3.9, 4.0, None), ForeignLoad(0.0, None)),
    "too short": (_after(8.0, 4.0, 3.0, time_s=0.1), None),
    "not told": (None, None),
}


@pytest.mark.parametrize(("after", "expected"), CASES.values(), ids=CASES.keys())
def test_what_is_left_is_foreign(after: Reading | None, expected: ForeignLoad | None) -> None:
    assert foreign_load(BEFORE, after) == expected
    assert foreign_load(None, after) is None


def test_waiting_that_was_not_counted_before() -> None:
    later = _after(8.0, 4.0, 3.0)
    assert foreign_load(replace(BEFORE, waited_s=None), later) == ForeignLoad(0.5, None)
