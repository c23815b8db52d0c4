"""The stages of a schedule in processes: as many as replicas, on CPUs of their own, all gone."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from stagecut import backends
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.measure.topology import Group
from stagecut.runtime.processes import processes as module
from stagecut.runtime.processes.process import Job
from stagecut.runtime.processes.processes import Processes
from tests.support.hosted import FEEDS, children, is_there, staged
from tests.support.repository import ROOT

ENGINES = backends.create_all(["cpu.serial"])
SPECS = {"cpu.serial": "cpu.serial"}


def _made(*replicas: int, pinned: bool = False) -> Processes:
    return Processes(staged(), replicas, ENGINES, SPECS, pinned=pinned)


def test_nothing_is_started_before_the_first_call_and_nothing_is_left() -> None:
    before = children()
    made = _made(2)
    assert children() == before
    [stage] = made.stages
    results = stage([FEEDS["x"]])
    assert len(children() - before) == 1
    assert [array.shape for array in results] == [(2, 24)] * 2
    made.close()
    assert children() == before


GROUPS = (Group("L3", (0, 1, 2, 3), None, (Group("L2", (0, 2)), Group("L2", (1, 3)))),)


@pytest.mark.parametrize(
    ("replicas", "cores", "cpus"),
    [
        ([2], [1], [0, 2]),
        ([2], [2], [0, 2, 1, 3]),
        ([1, 2], [2, 1], [0, 2, 1, 3]),
        ([5], [1], None),
    ],
)
def test_who_gets_which_cpus(
    replicas: Sequence[int],
    cores: Sequence[int],
    cpus: Sequence[int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that share a cache are next to each other."""
    monkeypatch.setattr(module, "topology", lambda: GROUPS)
    found = module._apart(replicas, cores)
    needed = sum(count * each for count, each in zip(replicas, cores, strict=True))
    assert (None if found is None else [*found][:needed]) == cpus


def test_each_has_its_own_and_none_where_they_are_too_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs: list[tuple[int, ...]] = []

    class Noted:
        def __init__(self, job: Job, _: object) -> None:
            jobs.append(job.cpus)

        def end(self) -> None: ...

    monkeypatch.setattr(module, "topology", lambda: GROUPS)
    monkeypatch.setattr(module, "usable_cpus", lambda: 5)
    monkeypatch.setattr(module, "Process", Noted)
    for replicas, pinned in ((3, True), (5, True), (2, False)):
        _made(replicas, pinned=pinned)
    assert jobs == [(0,), (2,), (1,), *[()] * 5, *[()] * 2]
    jobs.clear()
    _made(1024)  # of a plan from anywhere
    assert len(jobs) == 5


def test_a_stage_in_a_memory_of_its_own() -> None:
    engines = {"cpu.serial": backends.create("pim.hbm")}
    with pytest.raises(EngineError, match="has a memory of its own"):
        Processes(staged(), [1], engines, {"cpu.serial": "pim.hbm"}, pinned=False)


_OWNER = """
import os, sys, time
import tests.support.hosted as hosted
from tests.runtime.processes.test_processes import _made
stage = (made := _made(1)).stages[0]
stage([hosted.FEEDS["x"]])
print(*hosted.children(), flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), 9)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_they_end_with_their_owner(how: str) -> None:
    """Killed, and by Ctrl-C, which they leave to it."""
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    )
    assert owner.stdout is not None
    numbers = [int(each) for each in owner.stdout.readline().split()]
    assert numbers
    if how == "interrupted":
        os.killpg(owner.pid, 2)
    owner.wait(60)
    until_s = time.monotonic() + 30
    while any(map(is_there, numbers)) and time.monotonic() < until_s:
        time.sleep(0.01)
    assert not any(map(is_there, numbers))
