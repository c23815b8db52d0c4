"""What the processes of a host had of its CPUs, and how long they waited for one that others had.

Linux counts both for every thread (/proc/PID/task/TID/schedstat), so that what a plan takes longer
than predicted can be told from what other work on the machine takes away from it.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CpuUse:
    """Summed over threads: two that wait at a time wait twice."""

    ran_s: float
    waited_s: float

    def since(self, before: "CpuUse") -> "CpuUse":
        return CpuUse(self.ran_s - before.ran_s, self.waited_s - before.waited_s)


def cpu_use(pids: Iterable[int]) -> CpuUse:
    """Of the threads of these that are there, since each began."""
    ran_ns = waited_ns = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError, ValueError):  # it has ended
                ran, waited, _ = map(int, task.read_text().split())
                ran_ns, waited_ns = ran_ns + ran, waited_ns + waited
    return CpuUse(ran_ns / 1e9, waited_ns / 1e9)
