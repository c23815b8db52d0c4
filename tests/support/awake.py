"""Threads that never sleep, by what the kernel says of them."""

import threading
import time
from pathlib import Path

#: Looks at all threads, one behind the other: what spins is runnable in each of them.
_LOOKS, _APART_S = 20, 0.01


def never_asleep() -> set[str]:
    """The threads of this process, but for the caller's, that never slept while it did."""
    found = _runnable() - {str(threading.get_native_id())}
    for _ in range(_LOOKS):
        time.sleep(_APART_S)
        found &= _runnable()
    return found


def _runnable() -> set[str]:
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        try:
            state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has ended
            continue
        if state == "R":
            found.add(thread.name)
    return found
