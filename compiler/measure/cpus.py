"""How many CPUs this process may really use."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

#: What Linux tells a process about itself.
_SELF = Path("/proc/self")

_UNLIMITED = 1 << 20


def usable_cpus(process: Path = _SELF) -> int:
    """CPUs in the affinity mask, or fewer where a control group grants less; at least one.

    `process` is the folder that Linux has for it. Groups are nested: what counts is the least that
    the process's own group or any group around it grants.
    """
    allowed = len(os.sched_getaffinity(0))
    granted = (_granted(folder) for folder in _groups(process))
    return max(1, min(allowed, *granted, _UNLIMITED))


def _groups(process: Path) -> Iterator[Path]:
    """The folders of the groups that limit the process's CPUs, each with those around it; some may
    not be there, where a container sees only a part of the tree.

    `cgroup` has the lines `ID:CONTROLLERS:GROUP`, of which version 2 has one, `0::GROUP`.
    """
    groups: dict[str, str] = {}
    for line in _lines(process / "cgroup"):
        _, controllers, group = f"{line}::".split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            groups["cpu" if controllers else ""] = group.removesuffix("::")
    for controller, root, mounted in _mounts(process):
        if controller in groups:
            yield from _upwards(mounted, _below(groups[controller], root))


def _mounts(process: Path) -> Iterator[tuple[str, str, Path]]:
    """Where control groups are mounted: "" for version 2 or "cpu", the group that is mounted, and
    the folder.

    36 35 0:31 /GROUP /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct
    """
    for line in _lines(process / "mountinfo"):
        here, _, there = line.partition(" - ")
        fields, system = here.split(), there.split()
        if len(fields) < 5 or len(system) < 3:
            continue
        mounted = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if system[0] == "cgroup2":
            yield "", fields[3], mounted
        elif system[0] == "cgroup" and "cpu" in system[-1].split(","):
            yield "cpu", fields[3], mounted


def _below(group: str, root: str) -> PurePosixPath:
    """The way from the mounted group `root` to `group`; none where it lies outside."""
    way = PurePosixPath(group)
    if way.is_relative_to(root) and ".." not in way.parts:
        return way.relative_to(root)
    return PurePosixPath()


def _upwards(mounted: Path, way: PurePosixPath) -> Iterator[Path]:
    yield mounted / way
    for outer in way.parents:
        yield mounted / outer


def _granted(group: Path) -> int:
    """Version 2 has `cpu.max` with "QUOTA PERIOD" in microseconds or "max PERIOD"; version 1 two
    files, of which the quota is -1 where there is none."""
    quota_us, period_us = f"{_text(group / 'cpu.max')} -1 -1".split()[:2]
    if period_us == "-1":
        quota_us = _text(group / "cpu.cfs_quota_us")
        period_us = _text(group / "cpu.cfs_period_us")
    try:
        share = int(quota_us) / int(period_us)
    except (ValueError, ZeroDivisionError):  # not there, "max", or something else
        return _UNLIMITED
    return _UNLIMITED if share < 0 else math.ceil(share)


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _text(path: Path) -> str:
    """Nothing for a file that cannot be read."""
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
