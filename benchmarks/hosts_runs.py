"""What all runs of benchmarks/hosts.py need: machines whose hosts hold less than they could, plans
for them, and drivers (hosts_driver.py), all made on the first host.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.hosts_cpu import CpuUse, cpu_use
from benchmarks.namespaces import Hosts

CLI = [sys.executable, "-m", "stagecut.compiler.cli.main"]
STREAMS = ["--objective", "throughput"]
#: More requests than are answered before a session is ended.
ENDLESS = 100_000

#: So much of a stream is looked at.
_NEARLY = 0.9

#: What each host may hold: the embedding table of the model fits one of them, the rest the other.
_CAPACITY_BYTES = 75_000_000
_DRIVER_CAPACITY_BYTES = 9_000_000


def measured(hosts: Hosts, path: Path, known: Path | None = None) -> Path:
    """Or as such hosts were measured before, where no prediction is looked at."""
    if known is not None:
        return Path(shutil.copyfile(known, path))
    os.sync()  # what is written to disk later takes CPUs then
    hosts.run([*CLI, "hosts", "-o", str(path)])
    return path


def limited(path: Path, to: Path, count: int | None = None) -> Path:
    """So many of the hosts, with memories so small that the model fits none of them."""
    machine = json.loads(path.read_text())
    machine["hosts"] = machine["hosts"][:count]
    names = [host["name"] for host in machine["hosts"]]
    ends = [(link["source"], link["target"], link) for link in machine["links"]]
    machine["links"] = [link for *both, link in ends if {*both} <= {*names}]
    to.write_text(json.dumps(machine))
    here_bytes = _DRIVER_CAPACITY_BYTES if len(names) > 2 else _CAPACITY_BYTES
    return bounded(to, to, here_bytes, _CAPACITY_BYTES)


def bounded(path: Path, to: Path, here_bytes: int, others_bytes: int) -> Path:
    """The same machine, whose hosts hold so much."""
    machine = json.loads(path.read_text())
    for host in machine["hosts"]:
        host["capacity_bytes"] = here_bytes if host["name"] == "local" else others_bytes
    to.write_text(json.dumps(machine))
    return to


def compiled(hosts: Hosts, model: str, path: Path, more: Sequence[str]) -> Path:
    device = ["--device", "cpu.serial", "--effort", "quick"]
    hosts.run([*CLI, "compile", model, "-o", str(path), *device, *more])
    return path


def driver(
    hosts: Hosts, plan: Path, requests: int, *more: str, over: bool
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.hosts_driver", str(plan), *more]
    command += ["--requests", str(requests), *(["--cluster", "auto"] if over else [])]
    return subprocess.Popen(
        hosts.inside(0, command),
        env=hosts.environment(0),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def await_ready(session: "subprocess.Popen[str]") -> None:
    """Until it streams."""
    for line in session.stdout or ():
        if line.strip() == "ready":
            return


def driven(
    hosts: Hosts, plan: Path, requests: int, *, over: bool, against: Path | None = None
) -> dict[str, Any]:
    """What the driver says; with what each host's processes had of CPUs and waited for them, over
    the single runs (`alone`), and over the stream (`streaming`), in seconds for each second."""
    more = [] if against is None else ["--against", str(against)]
    started = driver(hosts, plan, requests, *more, over=over)
    nearly = str(int(requests * _NEARLY))  # behind the last answer, members end
    marks = {"prepared": "begun", "ready": "ready", nearly: "done"}
    taken: dict[str, tuple[float, list[CpuUse]]] = {}
    last = ""
    for line in started.stdout or ():
        last = line
        if line.strip() in marks:
            used = [cpu_use(hosts.pids(at)) for at in range(hosts.count)]
            taken[marks[line.strip()]] = time.monotonic(), used
    started.wait()
    found: dict[str, Any] = json.loads(last)
    found["alone"] = _shares(taken["begun"], taken["ready"])
    found["streaming"] = _shares(taken["ready"], taken["done"])
    return found


def _shares(
    before: tuple[float, Sequence[CpuUse]], after: tuple[float, Sequence[CpuUse]]
) -> dict[str, float]:
    elapsed_s = after[0] - before[0]
    shares = {}
    for at, (one, other) in enumerate(zip(before[1], after[1], strict=True), start=1):
        used = other.since(one)
        shares[f"host-{at} ran"] = used.ran_s / elapsed_s
        shares[f"host-{at} waited"] = used.waited_s / elapsed_s
    return shares
