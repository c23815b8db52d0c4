"""How many CPUs may be used: the affinity mask, and the shares that control groups grant."""

import os
from pathlib import Path

import pytest

from stagecut.compiler.measure.cpus import usable_cpus

_V2 = "30 23 0:26 {root} {at} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
_V1 = "33 32 0:30 {root} {at} rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
_V1_MEMORY = "37 32 0:34 {root} {at} rw,relatime - cgroup cgroup rw,memory\n"
_HALF = {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}
_NONE = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}

#: The process's line in `cgroup`, how the groups are mounted, which group is, the files of the
#: groups below there -> what is granted of 64 CPUs.
GROUPS: dict[str, tuple[str, str, str, dict[str, dict[str, str]], int]] = {
    "none": ("", "", "/", {}, 64),
    "version 2 without a limit": ("0::/", _V2, "/", {"": {"cpu.max": "max 100000\n"}}, 64),
    "version 2, two CPUs": ("0::/", _V2, "/", {"": {"cpu.max": "200000 100000\n"}}, 2),
    "version 2, one and a half": ("0::/", _V2, "/", {"": {"cpu.max": "150000 100000\n"}}, 2),
    "version 2, a tenth": ("0::/", _V2, "/", {"": {"cpu.max": "10000 100000\n"}}, 1),
    "version 2, its own group": (
        "0::/user/it",
        _V2,
        "/",
        {"": {}, "user": {"cpu.max": "max 9"}, "user/it": {"cpu.max": "50000 100000"}},
        1,
    ),
    "version 2, a group around its own": (
        "0::/user/it",
        _V2,
        "/",
        {"user": {"cpu.max": "300000 100000"}, "user/it": {"cpu.max": "500000 100000"}},
        3,
    ),
    "version 2, of which a container sees a part": (
        "0::/docker/box/in",
        _V2,
        "/docker/box",
        {"": {"cpu.max": "400000 100000"}, "in": {"cpu.max": "200000 100000"}},
        2,
    ),
    "version 2, outside of what is seen": (
        "0::/../other",
        _V2,
        "/",
        {"": {"cpu.max": "400000 100000"}},
        4,
    ),
    "version 1 without a limit": ("4:cpu,cpuacct:/", _V1, "/", {"": _NONE}, 64),
    "version 1, its own group": ("4:cpu,cpuacct:/a/b", _V1, "/", {"": _NONE, "a/b": _HALF}, 1),
    "version 1, a group around it": ("4:cpu:/a/b", _V1, "/", {"a": _HALF, "a/b": _NONE}, 1),
    "version 1 in a container that is not told where it is": (
        "4:cpu,cpuacct:/docker/box",
        _V1,
        "/docker/box",
        {"": _HALF},
        1,
    ),
    "version 1, of another controller": ("4:memory:/", _V1_MEMORY, "/", {"": _HALF}, 64),
    "something else in the file": ("0::/", _V2, "/", {"": {"cpu.max": "lots\n"}}, 64),
    "no period": ("0::/", _V2, "/", {"": {"cpu.max": "100000 0\n"}}, 64),
    "something else in the list of groups": ("what", "is this", "/", {}, 64),
}


@pytest.mark.parametrize(
    ("group", "mount", "root", "files", "granted"), GROUPS.values(), ids=GROUPS.keys()
)
def test_what_control_groups_grant(
    group: str,
    mount: str,
    root: str,
    files: dict[str, dict[str, str]],
    granted: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    mounted = tmp_path / "fs" / "a blank"
    for folder, texts in files.items():
        (mounted / folder).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (mounted / folder / name).write_text(text)
    (tmp_path / "cgroup").write_text(f"9:pids:/elsewhere\n{group}\n")
    at = str(mounted).replace(" ", r"\040")
    (tmp_path / "mountinfo").write_text(mount.format(root=root, at=at))
    assert usable_cpus(tmp_path) == granted


def test_the_affinity_mask_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 17})
    assert usable_cpus(tmp_path) == 2
