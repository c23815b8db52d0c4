"""Which control groups limit a process: its own and all around it, of either version."""

from pathlib import Path

import pytest

from stagecut.compiler.measure.control_groups import groups, text_of

_V2 = "30 23 0:26 {root} {at} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
_V1 = "33 32 0:30 {root} {at} rw,relatime - cgroup cgroup rw,cpu,cpuacct"
_OTHER = "37 32 0:34 {root} {at} rw,relatime - cgroup cgroup rw,memory"

#: The line in `cgroup`, how they are mounted, which group is -> the groups below the mount point.
CASES: dict[str, tuple[str, str, str, list[str]]] = {
    "version 2": ("0::/a/b", _V2, "/", ["a/b", "a", "."]),
    "version 2, the root": ("0::/", _V2, "/", ["."]),
    "version 2 in a container": ("0::/box/in", _V2, "/box", ["in", "."]),
    "version 2, outside of what is seen": ("0::/../other", _V2, "/", ["."]),
    "version 1": ("4:cpu,cpuacct:/a/b", _V1, "/", ["a/b", "a", "."]),
    "version 1 in a container": ("4:cpu:/box", _V1, "/box", ["."]),
    "version 1 in a container that sees more": ("4:cpu:/box", _V1, "/other", ["."]),
    "of another controller": ("4:memory:/a", _OTHER, "/", []),
    "mounted as the other version": ("4:cpu:/a", _V2, "/", []),
    "something else in the files": ("what", "is this", "/", []),
    "nothing": ("", "", "/", []),
}


@pytest.mark.parametrize(("group", "mount", "root", "expected"), CASES.values(), ids=CASES.keys())
def test_groups(group: str, mount: str, root: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text(f"9:pids:/elsewhere\n{group}\n")
    at = str(tmp_path / "a blank").replace(" ", r"\040")
    (tmp_path / "mountinfo").write_text(f"1 2 3\n{mount.format(root=root, at=at)}\n")
    found = [path.relative_to(tmp_path / "a blank") for path in groups("cpu", tmp_path)]
    assert found == [Path(each) for each in expected]


def test_names_that_no_kernel_writes(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/a\0b\n")
    mount = _V2.format(root="/", at=rf"{tmp_path}/\999\134")
    (tmp_path / "mountinfo").write_text(mount)
    found = [*groups("cpu", tmp_path)]
    assert found[-1] == tmp_path / "\\999\\"
    assert [text_of(group / "cpu.max") for group in found] == ["", ""]


def test_a_machine_that_tells_nothing_limits_nothing(tmp_path: Path) -> None:
    assert list(groups("cpu", tmp_path)) == []
    assert text_of(tmp_path / "none") == ""
