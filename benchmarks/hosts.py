"""Plans over several hosts, on namespaces of this machine: what they take, and what they survive.

    python -m benchmarks.hosts                              a model too large for one host, and a
                                                            stream, at 1 Gbit/s and 100 Mbit/s
    python -m benchmarks.hosts --soak 10                    values of 16 MB for ten minutes
    python -m benchmarks.hosts --faults --requests 200      while hosts, links and files fail, or by
                                                            --events some of them

Predicted beside observed; beside it the same of the whole model on one host, which tells how much
slower or faster the machine has become meanwhile; and whose outputs are those of it. Needs root.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.hosts_faults import EVENTS, faults
from benchmarks.hosts_runs import CLI, STREAMS, compiled, driven, limited, measured
from benchmarks.hosts_soak import soaked
from benchmarks.namespaces import Hosts, why_not

_MODEL = "zoo:bert-small:seq=16"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--events", nargs="+", default=EVENTS, choices=EVENTS)
    parser.add_argument("--machine", type=Path, help="of faults and soaks, as it was measured")
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
    measure = faults if options.faults else soaked if options.soak else _speeds
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
        large = compiled(hosts, options.model, folder / "large.plan", [])
        fits = compiled(hosts, options.streamed, folder / "fits.plan", STREAMS)
        for mbit in options.mbit:
            for host in range(2):
                hosts.limit(host, mbit)
            machine = measured(hosts, folder / f"machine-{mbit}.json")
            small = limited(machine, folder / f"limited-{mbit}.json")
            for what, model, alone, given, more in (
                ("too large for one host", options.model, large, small, []),
                ("a stream", options.streamed, fits, machine, STREAMS),
            ):
                plan = folder / f"{mbit}.plan"
                compiled(hosts, model, plan, ["--machine", str(given), *more])
                rows.append(_row(hosts, what, model, mbit, plan, alone, options.requests))
                print(rows[-1], file=sys.stderr, flush=True)
    return {"speeds": rows}


def _row(
    hosts: Hosts, what: str, model: str, mbit: int, plan: Path, alone: Path, requests: int
) -> dict[str, object]:
    """`plan` and `alone` in one go, outputs bit for bit beside those of `alone`."""
    there = driven(hosts, alone, requests, over=False)
    over = driven(hosts, plan, requests, over=True, against=alone)
    again = driven(hosts, alone, requests, over=False)
    summary, own = _summary(hosts, plan), _summary(hosts, alone)
    predicted_s = float(summary["predicted"]["time_s"])
    streams = summary["streaming"]
    observed_s = over["single_s"] if streams is None else 1 / _rate(over)
    alone_s = (there["single_s"] + again["single_s"]) / 2
    alone_per_s = (_rate(there) + _rate(again)) / 2
    own_s = alone_s if streams is None else 1 / alone_per_s
    return {
        "what": what,
        "model": model,
        "mbit_per_s": mbit,
        "places": None if streams is None else streams["places"],
        "predicted_s": predicted_s,
        "observed_s": observed_s,
        "off": observed_s / predicted_s - 1,
        "one_host_off": own_s / float(own["predicted"]["time_s"]) - 1,
        "one_host_s": alone_s,
        "stream_per_s": _rate(over),
        "one_host_stream_per_s": alone_per_s,
        "as_on_one_host": all(over["right"]),
        "bottleneck": over["bottleneck"],
        **over["alone" if streams is None else "streaming"],
        "load": os.getloadavg()[0],
    }


def _summary(hosts: Hosts, plan: Path) -> dict[str, Any]:
    """Of its report."""
    report = json.loads(hosts.run([*CLI, "report", str(plan), "--json"]))
    found: dict[str, Any] = report["summary"]
    return found


def _rate(driven: dict[str, Any]) -> float:
    """Behind the first quarter, in which queues fill."""
    answered_s: list[float] = driven["answered_s"]
    later = answered_s[len(answered_s) // 4 :]
    return (len(later) - 1) / (later[-1] - later[0])


if __name__ == "__main__":
    main()
