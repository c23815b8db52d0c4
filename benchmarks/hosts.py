"""Plans over several hosts, on namespaces of this machine: what they take, and what they survive.

    python -m benchmarks.hosts                              a model too large for one host, and a
                                                            stream, at 1 Gbit/s and 100 Mbit/s
    python -m benchmarks.hosts --soak 10                    values of 16 MB for ten minutes
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
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from benchmarks.namespaces import Hosts, why_not

_MODEL = "zoo:bert-small:seq=16"
#: What each host may hold: the embedding table fits one of them, the rest the other.
_CAPACITY_BYTES = 75_000_000
_DRIVER_CAPACITY_BYTES = 9_000_000
_STREAMS = ["--objective", "throughput"]
#: A fault comes when this part of the requests is answered.
_WHEN = 0.2
#: More requests than are answered before a session is ended.
_ENDLESS = 100_000
_ENDED_WITHIN_S = 90.0
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
    parser.add_argument("--streamed", default="zoo:bert-base:seq=16")
    parser.add_argument("--mbit", type=int, nargs="+", default=[1000, 100])
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(f"there are no hosts to be had here: {reason}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # hosts are stopped
    measure = _faults if options.faults else _soaked if options.soak else _speeds
    with tempfile.TemporaryDirectory(prefix="sct", dir="/tmp") as folder:  # short, for sockets
        found = measure(Path(folder), options)
    if options.json:
        print(json.dumps(found))
        return
    for rows in found.values():
        for row in rows:
            print(", ".join(f"{key} {_short(value)}" for key, value in row.items()))


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _speeds(folder: Path, options: argparse.Namespace) -> dict[str, list[dict[str, object]]]:
    """Two hosts with a CPU each: a model too large for one of them, and a stream of one that fits,
    beside that host alone."""
    rows = []
    with Hosts(folder, 2, apart=True) as hosts:
        large = _compiled(hosts, options.model, folder / "large.plan", [])
        fits = _compiled(hosts, options.streamed, folder / "fits.plan", _STREAMS)
        for mbit in options.mbit:
            for host in range(2):
                hosts.limit(host, mbit)
            machine = folder / f"machine-{mbit}.json"
            hosts.run([*_CLI, "hosts", "-o", str(machine)])
            limited = _limited(machine, folder / f"limited-{mbit}.json")
            for what, model, alone, given, more in (
                ("too large for one host", options.model, large, limited, []),
                ("a stream", options.streamed, fits, machine, _STREAMS),
            ):
                plan = folder / f"{mbit}.plan"
                _compiled(hosts, model, plan, ["--machine", str(given), *more])
                rows.append(_row(hosts, what, model, mbit, plan, alone, options.requests))
                print(rows[-1], file=sys.stderr, flush=True)
    return {"speeds": rows}


def _row(
    hosts: Hosts, what: str, model: str, mbit: int, plan: Path, alone: Path, requests: int
) -> dict[str, object]:
    """`plan` and `alone` in one go, outputs bit for bit beside those of `alone`."""
    there = _driven(hosts, alone, requests, over=False)
    over = _driven(hosts, plan, requests, over=True, against=alone)
    again = _driven(hosts, alone, requests, over=False)
    report = json.loads(hosts.run([*_CLI, "report", str(plan), "--json"]))
    predicted_s = float(report["summary"]["predicted"]["time_s"])
    streams = report["summary"]["streaming"]
    observed_s = over["single_s"] if streams is None else 1 / _rate(over)
    return {
        "what": what,
        "model": model,
        "mbit_per_s": mbit,
        "places": None if streams is None else streams["places"],
        "predicted_s": predicted_s,
        "observed_s": observed_s,
        "off": observed_s / predicted_s - 1,
        "one_host_s": (there["single_s"] + again["single_s"]) / 2,
        "stream_per_s": _rate(over),
        "one_host_stream_per_s": (_rate(there) + _rate(again)) / 2,
        "as_on_one_host": all(over["right"]),
        "bottleneck": over["bottleneck"],
        "load": os.getloadavg()[0],
    }


def _rate(driven: dict[str, Any]) -> float:
    """Behind the first quarter, in which queues fill."""
    answered_s: list[float] = driven["answered_s"]
    later = answered_s[len(answered_s) // 4 :]
    return (len(later) - 1) / (later[-1] - later[0])


def _machine(hosts: Hosts, path: Path) -> Path:
    """Measured, without the last host, which is to spare, and limited."""
    hosts.run([*_CLI, "hosts", "-o", str(path)])
    return _limited(path, path, hosts.count - 1)


def _limited(path: Path, to: Path, count: int | None = None) -> Path:
    """So many of the hosts, with memories so small that the model fits none of them."""
    machine = json.loads(path.read_text())
    machine["hosts"] = machine["hosts"][:count]
    names = [host["name"] for host in machine["hosts"]]
    ends = [(link["source"], link["target"], link) for link in machine["links"]]
    machine["links"] = [link for *both, link in ends if {*both} <= {*names}]
    for host in machine["hosts"]:
        small = host["name"] == "local" and len(names) > 2
        host["capacity_bytes"] = _DRIVER_CAPACITY_BYTES if small else _CAPACITY_BYTES
    to.write_text(json.dumps(machine))
    return to


def _compiled(hosts: Hosts, model: str, path: Path, more: Sequence[str]) -> Path:
    device = ["--device", "cpu.serial", "--effort", "quick"]
    hosts.run([*_CLI, "compile", model, "-o", str(path), *device, *more])
    return path


def _driver(
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


def _driven(
    hosts: Hosts, plan: Path, requests: int, *, over: bool, against: Path | None = None
) -> dict[str, Any]:
    more = [] if against is None else ["--against", str(against)]
    driver = _driver(hosts, plan, requests, *more, over=over)
    *_, last = driver.communicate()[0].splitlines()
    found: dict[str, Any] = json.loads(last)
    return found


def _soaked(folder: Path, options: argparse.Namespace) -> dict[str, list[dict[str, object]]]:
    """Values of 16 MB go from host to host all the time; what each host holds meanwhile."""
    model = folder / "soak.onnx"
    onnx.save(_wide_model(), model)
    with Hosts(folder, 3) as hosts:
        machine = folder / "machine.json"
        hosts.run([*_CLI, "hosts", "-o", str(machine)])
        document = json.loads(machine.read_text())
        for host in document["hosts"]:
            host["capacity_bytes"] = _WIDE_BYTES
        machine.write_text(json.dumps(document))
        how = ["--machine", str(machine), "--granularity", "op", *_STREAMS]
        plan = _compiled(hosts, str(model), folder / "soak.plan", how)
        seconds = 60 * options.soak
        more = ("--seconds", str(seconds))
        driver = _driver(hosts, plan, _ENDLESS, *more, over=True)
        next(iter(driver.stdout or ()))
        rows, begun_s, answered = [], time.monotonic(), ""
        reader = threading.Thread(target=lambda: lines.extend(driver.stdout or ()))
        lines: list[str] = []
        reader.start()
        while driver.poll() is None:
            rows.append(_held(hosts, time.monotonic() - begun_s, len(lines)))
            time.sleep(max(1.0, seconds / 20))
        reader.join()
        answered = lines[-1] if lines else "{}"
        right = json.loads(answered).get("right", [])
    rows.append({"answers": len(right), "as_before": all(right), "load": os.getloadavg()[0]})
    return {"soak": rows}


_WIDE, _WIDE_BYTES = 2048, 3 * 4096


def _wide_model() -> onnx.ModelProto:
    """Additions of a weight to values of 16 MB, no two of which have room on one host."""
    sides = 3
    text = "".join(f"y{at + 1} = Add(y{at}, w{at}) " for at in range(sides))
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]>'
        f"g (float[{_WIDE},{_WIDE}] y0) => (float[{_WIDE},{_WIDE}] y{sides}) {{ {text} }}"
    )
    for at in range(sides):
        weight = np.full(_WIDE, at + 0.5, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weight, f"w{at}"))
    return model


def _held(hosts: Hosts, elapsed_s: float, answers: int) -> dict[str, object]:
    """By host, MiB of all of its processes but what they share, and of its spilled values."""
    spilled = sum(each.stat().st_size for each in hosts.folder.rglob("ray_spilled*/*"))
    return {
        "elapsed_s": elapsed_s,
        "answers": answers,
        **{f"host-{at + 1}_mib": _private_mib(hosts.pids(at)) for at in range(hosts.count)},
        "spilled_mib": spilled / 2**20,
    }


def _private_mib(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(
                int(line.split()[1])
                for line in text.splitlines()
                if line.startswith(("Private_Dirty:", "Private_Clean:"))
            )
    return total / 1024


def _faults(folder: Path, options: argparse.Namespace) -> dict[str, list[dict[str, object]]]:
    """Four hosts, of which the last is to spare."""
    found = []
    model, requests = options.model, options.requests
    with Hosts(folder, 4) as hosts:
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
            for event, victim in _ENDS.items():
                found.append(asdict(_ended(hosts, plan, event, victim)))
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


def _ended(hosts: Hosts, plan: Path, event: str, victim: bytes) -> Fault:
    """What has `victim` in its command line on the first host is killed, and with it ends the
    session; `recovered_s` is until the driver and its members have, `lost` are those that have
    not."""
    driver = _driver(hosts, plan, _ENDLESS, over=True)
    next(iter(driver.stdout or ()))
    for pid in hosts.pids(0):
        if victim in _command(pid):
            os.kill(pid, signal.SIGKILL)
    happened_s = time.monotonic()
    with suppress(subprocess.TimeoutExpired):
        driver.communicate(timeout=_ENDED_WITHIN_S)
    while _members(hosts) and time.monotonic() < happened_s + _ENDED_WITHIN_S:
        time.sleep(0.1)
    took_s = time.monotonic() - happened_s
    left = len(_members(hosts)) + (driver.poll() is None)
    return Fault(event, left, 0, True, took_s, f"the driver ended with {driver.poll()}")


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


if __name__ == "__main__":
    main()
