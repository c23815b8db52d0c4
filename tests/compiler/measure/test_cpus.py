"""How many CPUs may be used: the affinity mask, and the shares that control groups grant."""

import os
from pathlib import Path

import pytest

from stagecut.compiler.measure.cpus import usable_cpus

#: Files of a control group -> what they grant of 64 CPUs.
GROUPS: dict[str, tuple[dict[str, str], int]] = {
    "none": ({}, 64),
    "version 2 without a limit": ({"cpu.max": "max 100000\n"}, 64),
    "version 2, two CPUs": ({"cpu.max": "200000 100000\n"}, 2),
    "version 2, one and a half": ({"cpu.max": "150000 100000\n"}, 2),
    "version 2, a tenth": ({"cpu.max": "10000 100000\n"}, 1),
    "version 1 without a limit": (
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
        64,
    ),
    "version 1, four CPUs": (
        {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        4,
    ),
    "something else in the file": ({"cpu.max": "lots\n"}, 64),
}


@pytest.mark.parametrize(("files", "granted"), GROUPS.values(), ids=GROUPS.keys())
def test_what_a_control_group_grants(
    files: dict[str, str], granted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cpus(tmp_path) == granted


def test_the_affinity_mask_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 17})
    (tmp_path / "cpu.max").write_text("6400000 100000")
    assert usable_cpus(tmp_path) == 2
