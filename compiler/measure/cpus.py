"""How many CPUs this process may really use."""

import os
from pathlib import Path

from stagecut.compiler.measure.control_groups import SELF, groups, text_of

_UNLIMITED = 1 << 20


def usable_cpus(process: Path = SELF) -> int:
    """CPUs in the affinity mask, or fewer where a control group grants less; at least one.

    `process` is the folder that Linux has for the process.
    """
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(allowed, *map(_granted, groups("cpu", process)), _UNLIMITED))


def _granted(group: Path) -> int:
    """Version 2 has `cpu.max` with "QUOTA PERIOD" in microseconds or "max PERIOD"; version 1 two
    files, of which the quota is -1 where there is none."""
    written = text_of(group / "cpu.max").split() or [
        text_of(group / "cpu.cfs_quota_us"),
        text_of(group / "cpu.cfs_period_us"),
    ]
    try:
        quota_us, period_us = map(int, written)
        return _UNLIMITED if quota_us < 0 else -(-quota_us // period_us)
    except (ValueError, ZeroDivisionError):  # not there, "max", or something else
        return _UNLIMITED
