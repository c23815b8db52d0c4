"""How many CPUs this process may really use."""

import math
import os
from pathlib import Path

#: Where control group v2 tells a container its CPU share: "QUOTA PERIOD" or "max PERIOD".
_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def usable_cpus(cgroup_limit: Path = _CGROUP_LIMIT) -> int:
    """CPUs in the affinity mask, or fewer where a control group grants less; at least one."""
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(allowed, _granted(cgroup_limit)))


def _granted(cgroup_limit: Path) -> int:
    unlimited = 1 << 20
    try:
        quota, period = cgroup_limit.read_text().split()
    except (OSError, ValueError):
        return unlimited
    return unlimited if quota == "max" else math.ceil(int(quota) / int(period))
