"""A plan over several hosts for a long time: `benchmarks.hosts --soak MINUTES`."""

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from benchmarks.hosts_runs import ENDLESS, STREAMS, await_ready, bounded, compiled, driver, measured
from benchmarks.namespaces import Hosts

_WIDE, _WIDE_BYTES = 2048, 3 * 4096
#: Of the processes that grew.
_MOST_NAMED = 4


def soaked(folder: Path, options: argparse.Namespace) -> dict[str, list[dict[str, object]]]:
    """Values of 16 MB go from host to host all the time; what each host holds meanwhile."""
    model = folder / "soak.onnx"
    onnx.save(_wide_model(), model)
    with Hosts(folder, 3) as hosts:
        machine = folder / "machine.json"
        bounded(measured(hosts, machine, options.machine), machine, _WIDE_BYTES, _WIDE_BYTES)
        how = ["--machine", str(machine), "--granularity", "op", *STREAMS]
        plan = compiled(hosts, str(model), folder / "soak.plan", how)
        seconds = 60 * options.soak
        more = ("--seconds", str(seconds))
        session = driver(hosts, plan, ENDLESS, *more, over=True)
        await_ready(session)
        rows: list[dict[str, Any]] = []
        begun_s = time.monotonic()
        reader = threading.Thread(target=lambda: lines.extend(session.stdout or ()))
        lines: list[str] = []
        reader.start()
        while session.poll() is None:
            rows.append(_held(hosts, time.monotonic() - begun_s, len(lines)))
            print(rows[-1], file=sys.stderr, flush=True)
            time.sleep(max(1.0, seconds / 20))
        reader.join()
        answered = lines[-1] if lines else "{}"
        right = json.loads(answered).get("right", [])
    grown_mib = grown(rows)
    for row in rows:
        del row["processes"]
    held = {"answers": len(right), "as_before": all(right), "load": os.getloadavg()[0]}
    rows.append({**held, "grown_mib": grown_mib})
    return {"soak": rows}


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


@dataclass(frozen=True, slots=True)
class _Memory:
    """MiB of a process: its own, and its part of what it shares through files in memory, which is
    Ray's store: pages of that are there once they have been written to, up to its size."""

    name: str
    own_mib: float
    store_mib: float


def _held(hosts: Hosts, elapsed_s: float, answers: int) -> dict[str, object]:
    """By host, of all of its processes; and of its spilled values."""
    spilled = sum(each.stat().st_size for each in hosts.folder.rglob("ray_spilled*/*"))
    found: dict[str, object] = {"elapsed_s": elapsed_s, "answers": answers}
    processes: dict[str, float] = {}
    for at in range(hosts.count):
        held = [*_memories(hosts.pids(at))]
        found[f"host-{at + 1}_mib"] = sum(each.own_mib for each in held)
        found[f"host-{at + 1}_store_mib"] = sum(each.store_mib for each in held)
        for each in held:
            name = f"host-{at + 1} {each.name}"
            processes[name] = processes.get(name, 0.0) + each.own_mib
    return {**found, "spilled_mib": spilled / 2**20, "processes": processes}


def grown(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """MiB that processes had more at the end than on average in the second quarter, when stores and
    queues have been full once; those that grew the most."""
    quarter = len(rows) // 4
    second, last = rows[quarter : max(2 * quarter, 1)], rows[-max(1, quarter // 2) :]
    names = rows[-1]["processes"]

    def mean(of: Sequence[Mapping[str, Any]], name: str) -> float:
        return fmean(row["processes"].get(name, 0.0) for row in of)

    more = {name: mean(last, name) - mean(second, name) for name in names}
    return dict(sorted(more.items(), key=lambda pair: -pair[1])[:_MOST_NAMED])


def _memories(pids: Sequence[int]) -> Iterator[_Memory]:
    for pid in pids:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kib = {line.split(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
            own_mib, store_mib = (int(kib[key]) / 1024 for key in ("Pss_Anon", "Pss_Shmem"))
            yield _Memory(_name(pid), own_mib, store_mib)


def _name(pid: int) -> str:
    """Of its program, for people: `gcs_server`, `ray::Member`, `benchmarks.hosts_driver`."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    words = [word for word in words if word and not word.startswith("-")]
    if len(words) > 1 and "python" in words[0]:
        words = words[1:]
    return Path(words[0].strip()).name if words else "?"
