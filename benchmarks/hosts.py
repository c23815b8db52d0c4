"""Plans over several hosts, on namespaces of this machine: what they take, and what they survive.

    python -m benchmarks.hosts                              a model too large for one host, at
                                                            1 Gbit/s and 100 Mbit/s
    python -m benchmarks.hosts --faults --requests 200      while hosts, links and files fail

Predicted beside observed; outputs beside those of the whole model on one host. Needs root.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.namespaces import Hosts, why_not

_MODEL = "zoo:bert-small:seq=16"
#: What each host may hold: the embedding table fits one of them, the rest the other.
_CAPACITY_BYTES = 75_000_000
_DRIVER_CAPACITY_BYTES = 9_000_000
#: A fault comes when this part of the requests is answered.
_WHEN = 0.2
_DRIVER_GONE_S = 15.0
_CUT_S = 4.0
_SLOW_S = 4.0

_CLI = [sys.executable, "-m", "stagecut.compiler.cli.main"]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--model", default=_MODEL)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(f"there are no hosts to be had here: {reason}")
    measure = _faults if options.faults else _speeds
    with tempfile.TemporaryDirectory(prefix="sct", dir="/tmp") as folder:  # short, for sockets
        found = measure(Path(folder), options.model, options.requests)
    if options.json:
        print(json.dumps(found))
        return
    for rows in found.values():
        for row in rows:
            print(", ".join(f"{key} {_short(value)}" for key, value in row.items()))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _speeds(folder: Path, model: str, requests: int) -> dict[str, list[dict[str, object]]]:
    rows = []
    with Hosts(folder, 3) as hosts:
        whole = _compiled(hosts, model, folder / "whole.plan", [])
        alone = _driven(hosts, whole, requests, over=False)
        for mbit in (1000, 100):
            for host in range(3):
                hosts.limit(host, mbit)
            machine = _machine(hosts, folder / f"machine-{mbit}.json")
            plan = _compiled(hosts, model, folder / f"{mbit}.plan", ["--machine", str(machine)])
            over = _driven(hosts, plan, requests, over=True)
            report = json.loads(hosts.run([*_CLI, "report", str(plan), "--json"]))
            rows.append(
                {
                    "model": model,
                    "mbit_per_s": mbit,
                    "predicted_s": _predicted_s(report),
                    "observed_s": over["single_s"],
                    "one_host_s": alone["single_s"],
                    "stream_per_s": _rate(over),
                    "one_host_stream_per_s": _rate(alone),
                    "right": all(over["right"]),
                    "bottleneck": over["bottleneck"],
                    "load": os.getloadavg()[0],
                }
            )
    return {"speeds": rows}


def _predicted_s(report: dict[str, Any]) -> float:
    return float(report["summary"]["predicted"]["time_s"])


def _rate(driven: dict[str, Any]) -> float:
    answered_s: list[float] = driven["answered_s"]
    return (len(answered_s) - 1) / (answered_s[-1] - answered_s[0])


def _machine(hosts: Hosts, path: Path) -> Path:
    """Measured, with memories so small that the model fits none of them."""
    hosts.run([*_CLI, "hosts", "-o", str(path)])
    machine = json.loads(path.read_text())
    for host in machine["hosts"]:
        small = host["name"] == "local"
        host["capacity_bytes"] = _DRIVER_CAPACITY_BYTES if small else _CAPACITY_BYTES
    path.write_text(json.dumps(machine))
    return path


def _compiled(hosts: Hosts, model: str, path: Path, more: Sequence[str]) -> Path:
    device = ["--device", "cpu.parallel", "--effort", "quick"]
    hosts.run([*_CLI, "compile", model, "-o", str(path), *device, *more])
    return path


def _driver(hosts: Hosts, plan: Path, requests: int, *, over: bool) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.hosts_driver", str(plan)]
    command += ["--requests", str(requests), *(["--cluster", "auto"] if over else [])]
    return subprocess.Popen(
        hosts.inside(0, command),
        env=hosts.environment(0),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _driven(hosts: Hosts, plan: Path, requests: int, *, over: bool) -> dict[str, Any]:
    driver = _driver(hosts, plan, requests, over=over)
    *_, last = driver.communicate()[0].splitlines()
    found: dict[str, Any] = json.loads(last)
    return found


def _faults(folder: Path, model: str, requests: int) -> dict[str, list[dict[str, object]]]:
    found = []
    with Hosts(folder, 3) as hosts:
        for host in (1, 2):
            _mount(hosts.cache_of(host))
        try:
            machine = _machine(hosts, folder / "machine.json")
            plan = _compiled(hosts, model, folder / "over.plan", ["--machine", str(machine)])
            for event, happen in _EVENTS.items():
                found.append(asdict(_suffered(hosts, plan, requests, event, happen)))
                print(found[-1], file=sys.stderr, flush=True)
                for host in (1, 2):
                    if not _is_up(hosts, host):
                        hosts.kill(host)
                        hosts.start(host)
            found.append(asdict(_driver_gone(hosts, plan, requests)))
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
    driver = _driver(hosts, plan, requests, over=True)
    happened_s = last = None
    for line in driver.stdout or ():
        last = line
        if happened_s is None and line.strip() == str(int(requests * _WHEN)):
            happened_s = time.monotonic()
            happen(hosts)
    driver.wait()
    if happened_s is None or last is None or driver.returncode:
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


def _driver_gone(hosts: Hosts, plan: Path, requests: int) -> Fault:
    """Its members end; `lost` are those that are still there in the end."""
    driver = _driver(hosts, plan, requests, over=True)
    next(iter(driver.stdout or ()))
    for pid in hosts.pids(0):
        if b"benchmarks.hosts_driver" in _command(pid):
            os.kill(pid, signal.SIGKILL)
    happened_s = time.monotonic()
    driver.wait()
    while _members(hosts) and time.monotonic() < happened_s + _DRIVER_GONE_S:
        time.sleep(0.1)
    left = len(_members(hosts))
    took_s = time.monotonic() - happened_s
    return Fault("driver killed", left, 0, True, took_s, f"{left} members left running")


def _members(hosts: Hosts) -> list[int]:
    pids = [pid for host in (1, 2) for pid in hosts.pids(host)]
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


if __name__ == "__main__":
    main()
