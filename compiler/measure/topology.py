"""How the CPUs that this process may use share cores, caches and memory, as the kernel tells it.

    package 0
      NUMA node 0
        L3 32 MiB
          L2 1 MiB: CPUs 0, 1       two threads of one core
          L2 1 MiB: CPUs 2, 3
        L3 32 MiB
          ...

Groups of cores that share a cache, or a memory, are where a stage with its replicas is at home.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stagecut.compiler.ir.errors import UsageError

#: Where Linux describes the machine.
_SYSTEM = Path("/sys/devices/system")

_SUFFIX = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, slots=True)
class Group:
    """CPUs that share something, and the smaller groups within. `size_bytes` is a cache's."""

    name: str
    cpus: tuple[int, ...]
    size_bytes: int | None = None
    groups: tuple["Group", ...] = ()


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a set of CPUs shares. Of two that share the same set, the one with the lower `rank` is
    around the other."""

    rank: int
    name: str
    cpus: frozenset[int]
    size_bytes: int | None = None


def topology(cpus: Iterable[int] | None = None, system: Path = _SYSTEM) -> tuple[Group, ...]:
    """The largest groups of `cpus`, by default those that this process may use, in their order.

    What the kernel does not tell is left out: on a machine about which nothing is known, each CPU
    is a group of its own.
    """
    usable = frozenset(os.sched_getaffinity(0) if cpus is None else cpus)
    found: dict[tuple[int, frozenset[int]], _Shared] = {}
    for shared in (each for cpu in sorted(usable) for each in _shared_by(cpu, system)):
        here = _Shared(shared.rank, shared.name, shared.cpus & usable, shared.size_bytes)
        found.setdefault((here.rank, here.cpus), here)
    ordered = sorted(found.values(), key=lambda each: (each.rank, min(each.cpus)))
    return tuple(_nested(usable, ordered))


def _nested(cpus: frozenset[int], shared: Sequence[_Shared]) -> Iterator[Group]:
    """Those of `shared` within `cpus`, the largest first, and CPUs that are in none of them."""
    left = set(cpus)
    for index, each in enumerate(shared):
        if each.cpus <= left:
            left -= each.cpus
            inside = [other for other in shared[index + 1 :] if other.cpus <= each.cpus]
            groups = tuple(_nested(each.cpus, inside)) if inside else ()
            yield Group(each.name, tuple(sorted(each.cpus)), each.size_bytes, groups)
    yield from (Group("CPU", (cpu,)) for cpu in sorted(left))


def _shared_by(cpu: int, system: Path) -> Iterator[_Shared]:
    """All that a CPU shares, with itself at the least."""
    place = system / "cpu" / f"cpu{cpu}"
    package = _text(place / "topology" / "physical_package_id")
    together = _listed(place / "topology" / "package_cpus_list") or _listed(
        place / "topology" / "core_siblings_list"
    )
    if package.isdecimal() and together:
        yield _Shared(0, f"package {package}", together)
    for node in sorted(place.glob("node[0-9]*")):
        near = _listed(system / "node" / node.name / "cpulist")
        if near:
            yield _Shared(1, f"NUMA node {node.name.removeprefix('node')}", near)
    for cache in sorted((place / "cache").glob("index[0-9]*")):
        level, near = _text(cache / "level"), _listed(cache / "shared_cpu_list")
        if level.isdecimal() and int(level) > 1 and near:
            size = _bytes(_text(cache / "size"))
            yield _Shared(10 - int(level), f"L{level}", near, size)
    core = _listed(place / "topology" / "thread_siblings_list")
    if core:
        yield _Shared(10, "core", core)


def _text(path: Path) -> str:
    """Nothing for a file that is not there."""
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _listed(path: Path) -> frozenset[int]:
    """The CPUs in a file with a list such as `0-3,8`; none where there is no such list."""
    try:
        return frozenset(parse_cpus(_text(path)))
    except UsageError:
        return frozenset()


def _bytes(text: str) -> int | None:
    """`1024K`."""
    match = re.fullmatch(r"(\d+)([KMG])", text)
    return None if match is None else int(match[1]) * _SUFFIX[match[2]]


#: More than any machine has.
_MOST_CPUS = 1 << 16


def parse_cpus(text: str) -> tuple[int, ...]:
    """`0-7,16-23` in ascending order, each CPU once, as taskset takes it; raises UsageError."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < _MOST_CPUS:
            raise UsageError(
                f"{text!r} is no list of CPUs", where="--cores", fix="write --cores 0-7,16-23"
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def keep_to(cpus: Sequence[int]) -> None:
    """Let this process, and those that it starts, run on these CPUs only.

    Raises UsageError where one of them is not there, or may not be used.
    """
    allowed = os.sched_getaffinity(0)
    missing = sorted(set(cpus) - allowed)
    if missing:
        raise UsageError(
            f"CPU {missing[0]} is not there, or not for this process",
            where="--cores",
            fix=f"it may use {cpu_list(sorted(allowed))}; `stagecut devices --topology` draws them",
        )
    os.sched_setaffinity(0, cpus)


def cpu_list(cpus: Sequence[int]) -> str:
    """`0-3, 8` for 0, 1, 2, 3, 8."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
