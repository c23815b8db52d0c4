"""What all runs of benchmarks/hosts.py need: machines whose hosts hold less than they could, plans
for them, and drivers (hosts_driver.py), all made on the first host.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.namespaces import Hosts

CLI = [sys.executable, "-m", "stagecut.compiler.cli.main"]
STREAMS = ["--objective", "throughput"]
#: More requests than are answered before a session is ended.
ENDLESS = 100_000

#: What each host may hold: the embedding table of the model fits one of them, the rest the other.
_CAPACITY_BYTES = 75_000_000
_DRIVER_CAPACITY_BYTES = 9_000_000


def measured(hosts: Hosts, path: Path) -> Path:
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


def driven(
    hosts: Hosts, plan: Path, requests: int, *, over: bool, against: Path | None = None
) -> dict[str, Any]:
    more = [] if against is None else ["--against", str(against)]
    started = driver(hosts, plan, requests, *more, over=over)
    *_, last = started.communicate()[0].splitlines()
    found: dict[str, Any] = json.loads(last)
    return found
