"""What other work did on this process's CPUs meanwhile, by the kernel's own figures.

/proc/stat              how long each CPU was busy, whoever with
the processor time      of this process and its children: what is left of the above is other work
cpu.pressure            how long some thread of this process's control group waited for a CPU; of
                        the whole machine (/proc/pressure/cpu) where groups have no such file

Kernels count busy time in ticks of ten milliseconds, so that short times say nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

from stagecut.compiler.measure.control_groups import text_of

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")

#: Less time than this says nothing.
_LEAST_S = 0.2

#: user, nice, system, irq, softirq and steal: where they stand after a CPU's name; idle and iowait
#: stand between them, and guests are counted among users.
_BUSY = (0, 1, 2, 5, 6, 7)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the kernel has counted, in seconds: how long `cpus` were busy together, the part of that
    of this process and its children, and how long something waited for a CPU, None where that is
    not counted."""

    at_s: float
    busy_s: float
    own_s: float
    waited_s: float | None
    cpus: int


@dataclass(frozen=True, slots=True)
class ForeignLoad:
    """`taken` is the part of the CPUs' time that other work took, `waited` the part of the time in
    which something waited for a CPU; None where that is not known."""

    taken: float
    waited: float | None


def read_load(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> Reading | None:
    """The figures of now; None on a machine that does not tell them."""
    allowed = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    try:
        lines = [line.split() for line in (proc / "stat").read_text().splitlines()]
        cpus = [line[1:] for line in lines if line and line[0] in allowed]
        ticks = sum(int(cpu[at]) for cpu in cpus for at in _BUSY if at < len(cpu))
    except (OSError, ValueError):
        return None
    if not cpus:
        return None
    busy_s = ticks / os.sysconf("SC_CLK_TCK")
    own_s = process_time() + _children_s(proc)
    return Reading(perf_counter(), busy_s, own_s, _waited_s(proc, cgroups), len(cpus))


def foreign_load(before: Reading | None, after: Reading | None) -> ForeignLoad | None:
    """Between two readings; None where there are none, or where they are too close to each
    other."""
    if before is None or after is None or after.at_s - before.at_s < _LEAST_S:
        return None
    time_s = after.at_s - before.at_s
    others_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    taken = min(1.0, max(0.0, others_s / (time_s * after.cpus)))
    if before.waited_s is None or after.waited_s is None:
        return ForeignLoad(taken, None)
    return ForeignLoad(taken, min(1.0, (after.waited_s - before.waited_s) / time_s))


#: Of the fields of /proc/PID/stat behind the name, which is in brackets: user and system time.
_TIMES = (11, 12)


def _children_s(proc: Path) -> float:
    """The processor time of the children that there are, and of those that have ended, with their
    own; where the kernel does not list the former, of the latter."""
    ended = os.times()
    ticks = 0
    for listed in (proc / "self" / "task").glob("*/children"):
        for child in text_of(listed).split():
            fields = text_of(proc / child / "stat").rpartition(")")[2].split()
            ticks += sum(int(fields[at]) for at in _TIMES if at < len(fields))
    return ended.children_user + ended.children_system + ticks / os.sysconf("SC_CLK_TCK")


def _waited_s(proc: Path, cgroups: Path) -> float | None:
    """The microseconds after `total=` in the line `some avg10=1.50 ... total=123`."""
    for path in (*_own_group(proc, cgroups), proc / "pressure" / "cpu"):
        try:
            fields = path.read_text().split()
            return (
                int(next(f for f in fields if f.startswith("total=")).removeprefix("total=")) / 1e6
            )
        except (OSError, ValueError, StopIteration):
            continue
    return None


def _own_group(proc: Path, cgroups: Path) -> list[Path]:
    """The file of this process's group; the root's own is that of the machine."""
    lines = text_of(proc / "self" / "cgroup").splitlines()
    names = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    return [cgroups / name / "cpu.pressure" for name in names if name]
