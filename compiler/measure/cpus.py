"""How many CPUs this process may really use."""

import math
import os
from pathlib import Path

#: Where control groups are mounted.
_CGROUPS = Path("/sys/fs/cgroup")

_UNLIMITED = 1 << 20


def usable_cpus(cgroups: Path = _CGROUPS) -> int:
    """CPUs in the affinity mask, or fewer where a control group grants less; at least one."""
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(allowed, _granted_v2(cgroups), _granted_v1(cgroups)))


def _granted_v2(cgroups: Path) -> int:
    """`cpu.max` holds "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    try:
        quota, period = (cgroups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return _UNLIMITED
    return _UNLIMITED if quota == "max" else _share(quota, period)


def _granted_v1(cgroups: Path) -> int:
    """Two files, of which the quota is -1 where there is none."""
    try:
        quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text()
        period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text()
    except OSError:
        return _UNLIMITED
    return _UNLIMITED if int(quota) < 0 else _share(quota, period)


def _share(quota: str, period: str) -> int:
    return math.ceil(int(quota) / int(period))
