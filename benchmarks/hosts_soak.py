"""A plan over several hosts for a long time: `benchmarks.hosts --soak MINUTES`."""

import argparse
import json
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from benchmarks.hosts_runs import ENDLESS, STREAMS, await_ready, bounded, compiled, driver, measured
from benchmarks.namespaces import Hosts

_WIDE, _WIDE_BYTES = 2048, 3 * 4096


def soaked(folder: Path, options: argparse.Namespace) -> dict[str, list[dict[str, object]]]:
    """Values of 16 MB go from host to host all the time; what each host holds meanwhile."""
    model = folder / "soak.onnx"
    onnx.save(_wide_model(), model)
    with Hosts(folder, 3) as hosts:
        machine = folder / "machine.json"
        bounded(measured(hosts, machine), machine, _WIDE_BYTES, _WIDE_BYTES)
        how = ["--machine", str(machine), "--granularity", "op", *STREAMS]
        plan = compiled(hosts, str(model), folder / "soak.plan", how)
        seconds = 60 * options.soak
        more = ("--seconds", str(seconds))
        session = driver(hosts, plan, ENDLESS, *more, over=True)
        await_ready(session)
        rows, begun_s = [], time.monotonic()
        reader = threading.Thread(target=lambda: lines.extend(session.stdout or ()))
        lines: list[str] = []
        reader.start()
        while session.poll() is None:
            rows.append(_held(hosts, time.monotonic() - begun_s, len(lines)))
            time.sleep(max(1.0, seconds / 20))
        reader.join()
        answered = lines[-1] if lines else "{}"
        right = json.loads(answered).get("right", [])
    rows.append({"answers": len(right), "as_before": all(right), "load": os.getloadavg()[0]})
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
