"""Threads that never sleep, or wake again and again, by what the kernel says of them."""

import re
import threading
import time
from pathlib import Path
from typing import NamedTuple

#: Looks at all threads, one behind the other: what spins is runnable in each of them.
_LOOKS, _APART_S = 20, 0.01

#: Who wakes as often meanwhile looks for something to do, and does not wait to be told of it.
_MOST_WAKES = 100

_SLEPT = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)


class _Seen(NamedTuple):
    runnable: bool
    slept: int


def never_asleep() -> set[str]:
    """The threads of this process, but for the caller's, that never slept while it did, or only
    from one moment to the next."""
    own = str(threading.get_native_id())
    first = last = _seen()
    runnable = {name for name, each in first.items() if each.runnable}
    for _ in range(_LOOKS):
        time.sleep(_APART_S)
        last = _seen()
        runnable &= {name for name, each in last.items() if each.runnable}
    restless = {
        name
        for name in first.keys() & last.keys()
        if last[name].slept - first[name].slept > _MOST_WAKES
    }
    return (runnable | restless) - {own}


def _seen() -> dict[str, _Seen]:
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        try:
            state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
            slept = _SLEPT.search((thread / "status").read_text())
        except OSError:  # it has ended
            continue
        if slept is not None:
            found[thread.name] = _Seen(state == "R", int(slept[1]))
    return found
