"""A plan over several hosts while hosts, links and files fail: `benchmarks.hosts --faults`."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.hosts_runs import ENDLESS, await_ready, compiled, driver, limited, measured
from benchmarks.namespaces import Hosts

#: A fault comes when this part of the requests is answered.
_WHEN = 0.2
_ENDED_WITHIN_S = 90.0
_CUT_S = 4.0
_SLOW_S = 4.0


@dataclass(frozen=True, slots=True)
class Fault:
    """`recovered_s` is from the event to the end of the longest time without an answer after it;
    `in_order` is whether each answer is that of the request at its place."""

    event: str
    lost: int
    doubled: int
    in_order: bool
    recovered_s: float
    error: str = ""


def faults(folder: Path, options: argparse.Namespace) -> dict[str, list[dict[str, object]]]:
    """Four hosts, of which the last is to spare."""
    found = []
    model, requests = options.model, options.requests
    with Hosts(folder, 4) as hosts:
        for host in (1, 2):
            _mount(hosts.cache_of(host))
        try:
            path = measured(hosts, folder / "machine.json", options.machine)
            machine = limited(path, path, hosts.count - 1)
            plan = compiled(hosts, model, folder / "over.plan", ["--machine", str(machine)])
            for event in [each for each in _EVENTS if each in options.events]:
                happen = _EVENTS[event]
                found.append(asdict(_suffered(hosts, plan, requests, event, happen)))
                print(found[-1], file=sys.stderr, flush=True)
                for host in (1, 2):
                    if not _is_up(hosts, host):
                        hosts.kill(host)
                        hosts.start(host)
            ends = [each for each in _ENDS if each in options.events]
            found += [asdict(_ended(hosts, plan, event, _ENDS[event])) for event in ends]
        finally:
            for host in (1, 2):
                subprocess.run(["umount", "-l", hosts.cache_of(host)], check=False)
    return {"faults": found}


def _mount(cache: Path) -> None:
    """A disk of its own, which can be filled."""
    cache.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", cache], check=True)


def _suffered(
    hosts: Hosts, plan: Path, requests: int, event: str, happen: Callable[[Hosts], None]
) -> Fault:
    session = driver(hosts, plan, requests, over=True)
    happened_s = last = None
    for line in session.stdout or ():
        last = line
        if happened_s is None and line.strip() == str(int(requests * _WHEN)):
            happened_s = time.monotonic()
            happen(hosts)
    session.wait()
    if happened_s is None or last is None or session.returncode:
        return Fault(event, requests, 0, False, float("nan"), "the driver failed")
    seen = json.loads(last)
    return Fault(
        event,
        lost=requests - len(seen["answered_s"]) + len(seen["errors"]),
        doubled=max(0, len(seen["answered_s"]) - requests),
        in_order=all(seen["right"]),
        recovered_s=_recovered_s(seen["answered_s"], happened_s),
        error=next(iter(seen["errors"]), ""),
    )


def _recovered_s(answered_s: Sequence[float], happened_s: float) -> float:
    """From the event to the end of the longest time without an answer after it."""
    later = [happened_s, *(each for each in answered_s if each > happened_s)]
    gaps = [(end - start, end) for start, end in pairwise(later)]
    return max(gaps)[1] - happened_s if gaps else 0.0


def _ended(hosts: Hosts, plan: Path, event: str, victim: bytes) -> Fault:
    """What has `victim` in its command line on the first host is killed, and with it ends the
    session; `recovered_s` is until the driver and its members have, `lost` are those that have
    not."""
    session = driver(hosts, plan, ENDLESS, over=True)
    await_ready(session)
    for pid in hosts.pids(0):
        if victim in _command(pid):
            os.kill(pid, signal.SIGKILL)
    happened_s = time.monotonic()
    with suppress(subprocess.TimeoutExpired):
        session.communicate(timeout=_ENDED_WITHIN_S)
    while _members(hosts) and time.monotonic() < happened_s + _ENDED_WITHIN_S:
        time.sleep(0.1)
    took_s = time.monotonic() - happened_s
    left = len(_members(hosts)) + (session.poll() is None)
    return Fault(event, left, 0, True, took_s, f"the driver ended with {session.poll()}")


def _members(hosts: Hosts) -> list[int]:
    pids = [pid for host in (1, 2, 3) for pid in hosts.pids(host)]
    return [pid for pid in pids if _command(pid).startswith(b"ray::Member")]


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _is_up(hosts: Hosts, host: int) -> bool:
    return any(b"raylet/raylet" in _command(pid) for pid in hosts.pids(host))


def _kill_member(hosts: Hosts) -> None:
    os.kill(_members(hosts)[0], signal.SIGKILL)


def _kill_host(hosts: Hosts) -> None:
    hosts.kill(2)


def _cut_link(hosts: Hosts) -> None:
    hosts.cut(1)
    time.sleep(_CUT_S)
    hosts.restore(1)


def _slow_host(hosts: Hosts) -> None:
    """It works a tenth of the time."""
    end_s = time.monotonic() + _SLOW_S
    slow = [pid for pid in _members(hosts) if pid in hosts.pids(1)]
    while time.monotonic() < end_s:
        for kind, pause_s in ((signal.SIGSTOP, 0.09), (signal.SIGCONT, 0.01)):
            for pid in slow:
                os.kill(pid, kind)
            time.sleep(pause_s)


def _damage(hosts: Hosts) -> None:
    for path in _slices(hosts):
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(bytes(4096))


def _fill_disk(hosts: Hosts) -> None:
    """Before what ran there, and what lay on it, is needed again."""
    members = [pid for pid in _members(hosts) if pid in hosts.pids(1)]
    for pid in members:
        os.kill(pid, signal.SIGKILL)
    for path in _slices(hosts):
        path.unlink()
    with suppress(OSError), (hosts.cache_of(1) / "rest").open("wb") as file:
        while True:
            file.write(bytes(1 << 20))


def _slices(hosts: Hosts) -> list[Path]:
    return sorted((hosts.cache_of(1) / "stagecut" / "slices").glob("*.slice"))


_EVENTS: dict[str, Callable[[Hosts], None]] = {
    "actor killed": _kill_member,
    "host slow": _slow_host,
    "plan file damaged on one host": _damage,
    "disk full on one host": _fill_disk,
    "link cut and restored": _cut_link,
    "host killed": _kill_host,
}

#: What ends a session; the head is last, for it takes the cluster with it.
_ENDS = {"driver killed": b"benchmarks.hosts_driver", "head killed": b"gcs_server"}

#: All of them, in their order.
EVENTS = (*_EVENTS, *_ENDS)
