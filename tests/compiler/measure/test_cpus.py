"""How many CPUs may be used: the affinity mask, and the shares that control groups grant."""

import os
from pathlib import Path

import pytest

from stagecut.compiler.measure import cpus
from stagecut.compiler.measure.cpus import usable_cpus

_HALF = {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}
_NO_LIMIT = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}

#: Files of the process's group, and of those around it -> what they grant of 64 CPUs.
GROUPS: dict[str, tuple[list[dict[str, str]], int]] = {
    "none": ([], 64),
    "version 2 without a limit": ([{"cpu.max": "max 100000\n"}], 64),
    "version 2, two CPUs": ([{"cpu.max": "200000 100000\n"}], 2),
    "version 2, one and a half": ([{"cpu.max": "150000 100000\n"}], 2),
    "version 2, half a one": ([{"cpu.max": "50000 100000\n"}], 1),
    "version 2, its own counts": ([{"cpu.max": "50000 100000"}, {"cpu.max": "max 9"}, {}], 1),
    "version 2, that around it": ([{"cpu.max": "500000 100000"}, {"cpu.max": "300 100"}], 3),
    "version 1 without a limit": ([_NO_LIMIT], 64),
    "version 1, half a one": ([_HALF], 1),
    "version 1, that around it": ([_NO_LIMIT, _HALF, _NO_LIMIT], 1),
    "something else in the file": ([{"cpu.max": "lots\n"}], 64),
    "too much in the file": ([{"cpu.max": "1 2 3\n"}], 64),
    "more than a number holds": ([{"cpu.max": f"{'9' * 400} 1\n"}], 64),
    "no period": ([{"cpu.max": "100000 0\n"}], 64),
}


@pytest.mark.parametrize(("groups", "granted"), GROUPS.values(), ids=GROUPS.keys())
def test_what_control_groups_grant(
    groups: list[dict[str, str]], granted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    folders = [tmp_path / str(index) for index in range(len(groups))]
    for folder, files in zip(folders, groups, strict=True):
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    monkeypatch.setattr(cpus, "groups", lambda controller, process: folders)
    assert usable_cpus() == granted


def test_the_affinity_mask_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 17})
    assert usable_cpus(tmp_path) == 2


def test_a_nested_group_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Linux tells it: half a CPU for the group around the process's own."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "mounted" / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "mounted" / "outer" / "cpu.max").write_text("50000 100000")
    (tmp_path / "cgroup").write_text("0::/outer/inner\n")
    mount = f"30 23 0:26 / {tmp_path / 'mounted'} rw - cgroup2 cgroup2 rw\n"
    (tmp_path / "mountinfo").write_text(mount)
    assert usable_cpus(tmp_path) == 1
