"""Threads that never sleep, or wake again and again, by what the kernel says of them."""

import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

#: Looks at all threads, one behind the other: what spins is runnable in each of them.
_LOOKS, _APART_S = 20, 0.01

#: Who has had no CPU meanwhile, as others had them all, is looked at as often as this at the most.
_MOST_LOOKS = 3000

#: Who wakes as often meanwhile looks for something to do, and does not wait to be told of it.
_MOST_WAKES = 100

_SLEPT = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)

#: Where the kernel tells the time that a thread had in its own code and in the kernel's, behind its
#: name (proc_pid_stat(5)).
_RAN = slice(11, 13)


class _Seen(NamedTuple):
    """`ran` is what it has run, in a hundredth of a second each."""

    runnable: bool
    slept: int
    ran: int


def never_asleep() -> set[str]:
    """The threads of this process, but for the caller's, that never slept while it did, or only
    from one moment to the next. Who waits for a CPU is runnable, too, and is looked at until it has
    had one."""
    own = str(threading.get_native_id())
    first = last = _seen()
    never = _runnable(first) - {own}
    for _ in range(_LOOKS):
        last = _seen_later()
        never &= _runnable(last)
    restless = {
        name
        for name in first.keys() & last.keys()
        if last[name].slept - first[name].slept > _MOST_WAKES
    }
    for _ in range(_MOST_LOOKS):
        if all(last[name].ran > first[name].ran for name in never):
            break
        last = _seen_later()
        never &= _runnable(last)
    return never | (restless - {own})


def _runnable(seen: Mapping[str, _Seen]) -> set[str]:
    return {name for name, each in seen.items() if each.runnable}


def _seen_later() -> Mapping[str, _Seen]:
    time.sleep(_APART_S)
    return _seen()


def _seen() -> Mapping[str, _Seen]:
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        try:
            told = (thread / "stat").read_text().rpartition(")")[2].split()
            slept = _SLEPT.search((thread / "status").read_text())
        except OSError:  # it has ended
            continue
        if slept is not None:
            ran = sum(map(int, told[_RAN]))
            found[thread.name] = _Seen(told[0] == "R", int(slept[1]), ran)
    return found
