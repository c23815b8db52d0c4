"""The control groups that limit a process, of either version."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

#: What Linux tells a process about itself.
SELF = Path("/proc/self")


def groups(controller: str, process: Path = SELF) -> tuple[Path, ...]:
    """The folders of the groups in which `controller` limits the process, each with those around
    it: groups are nested, and the least that any of them grants counts.

    Some may not be there, where a container sees only a part of the tree. `process` is the folder
    that Linux has for the process.
    """
    return _folders(controller, process, text_of(process / "cgroup"))


@cache
def _folders(controller: str, process: Path, written: str) -> tuple[Path, ...]:
    """In `written` are the lines `ID:CONTROLLERS:GROUP`; version 2 has one without controllers,
    `0::GROUP`."""
    joined: dict[bool, str] = {}
    for line in written.splitlines():
        _, controllers, group = f"{line}::".split(":", 2)
        if not controllers or controller in controllers.split(","):
            joined[not controllers] = group.removesuffix("::")
    return tuple(
        mounted / group
        for unified, root, mounted in _mounted(controller, process)
        if unified in joined
        for way in [_below(joined[unified], root)]
        for group in (way, *way.parents)
    )


def text_of(path: Path) -> str:
    """Nothing for a file that cannot be read, or cannot be named."""
    try:
        with path.open("rb", buffering=0) as file:  # they are asked for often, and are short
            return file.readall().decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return ""


def _mounted(controller: str, process: Path) -> Iterator[tuple[bool, str, Path]]:
    """Where control groups are mounted: whether as version 2, the group that is mounted, and the
    folder. That is looked up once for each group that the process is in; limits may change.

    36 35 0:31 /GROUP /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct
    """
    for line in text_of(process / "mountinfo").splitlines():
        here, _, there = line.partition(" - ")
        fields, system = here.split(), there.split()
        if len(fields) < 5 or len(system) < 3:
            continue
        if system[0] == "cgroup2":
            yield True, fields[3], _folder(fields[4])
        elif system[0] == "cgroup" and controller in system[-1].split(","):
            yield False, fields[3], _folder(fields[4])


def _folder(written: str) -> Path:
    """`/sys/fs/a\\040b` is `/sys/fs/a b`."""
    return Path(re.sub(r"\\([0-3][0-7]{2})", lambda octal: chr(int(octal[1], 8)), written))


def _below(group: str, root: str) -> PurePosixPath:
    """The way from the mounted group `root` to `group`; none where it lies outside."""
    way = PurePosixPath(group)
    if way.is_relative_to(root) and ".." not in way.parts:
        return way.relative_to(root)
    return PurePosixPath()
