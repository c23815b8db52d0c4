"""Claim: a cost table of a million nodes is read and solved in 15 s of processor time and 2 GB.

    python -m benchmarks.partition_chain [--nodes 1000000] [--rounds 3] [--against FOLDER]

Writes a chain on two devices in two memories as JSON, and runs `stagecut partition` on the file, in
a fresh process for each turn: with the import of everything, reading, solving and the account.
Prints user and system time and the largest memory of each. With `--against`, an older checkout of
stagecut takes turns with this one.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from benchmarks.support import describe_machine, spread
from benchmarks.turns import ForeignLoad, in_turns, sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=10**6)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each; medians are shown")
    parser.add_argument("--against", type=Path, help="folder of an older checkout of stagecut")
    options = parser.parse_args()
    print(describe_machine())
    folders = sides(options.against)
    times_s: dict[str, list[float]] = {name: [] for name in folders}
    peaks: dict[str, list[float]] = {name: [] for name in folders}
    answers = set()
    load = ForeignLoad()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "chain.json"
        with table.open("w", encoding="utf-8") as file:
            _write_chain(file, options.nodes)
        for name in in_turns([*folders], options.rounds):
            answer, time_s, peak_bytes = _run(folders[name], table)
            answers.add(answer)
            times_s[name].append(time_s)
            peaks[name].append(peak_bytes / 1e9)
    if len(answers) > 1:
        raise AssertionError(f"the answers differ: {sorted(answers)}")
    print(f"{options.nodes} nodes: {answers.pop()}")
    for name in folders:
        memory = f"{statistics.median(peaks[name]):.2f} GB at the most"
        print(f"{name}: {spread(times_s[name])} of processor time, {memory}")
    print(load)


def _write_chain(file: TextIO, nodes: int) -> None:
    """Each node reads what the one before it writes; the devices are drawn alike.

    Line by line, as a process starts with the memory of the one that starts it.
    """
    draw = random.Random(0)  # noqa: S311  # nothing secret
    link = '"latency_s": 1e-6, "bytes_per_s": 1e10'
    file.write(
        '{"schema": "stagecut.costs/1", "name": "chain", "memories": ["host", "pim"],\n'
        '"devices": [{"name": "cpu", "memory": "host"}, {"name": "pim", "memory": "pim"}],\n'
        f'"links": [{{"source": "host", "target": "pim", {link}}},\n'
        f'{{"source": "pim", "target": "host", {link}}}],\n'
        '"values": [{"name": "v0", "size_bytes": 1024}'
    )
    for index in range(nodes):
        file.write(f',\n{{"name": "v{index + 1}", "size_bytes": 1024}}')
    file.write('],\n"nodes": [')
    for index in range(nodes):
        node = {
            "name": f"n{index}",
            "op": "Relu",
            "run_s": {name: draw.uniform(1e-6, 9e-6) for name in ("cpu", "pim")},
            "inputs": [f"v{index}"],
            "outputs": [f"v{index + 1}"],
        }
        file.write(f"{',' if index else ''}\n{json.dumps(node)}")
    file.write("]}\n")


def _run(folder: Path, table: Path) -> tuple[str, float, float]:
    """The first line of the answer, the processor time, and the largest memory in bytes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stagecut.compiler.cli.main", "partition", str(table)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"stagecut of {folder} ended with the exit code {process.returncode}")
    return output.partition("\n")[0], usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024.0


if __name__ == "__main__":
    main()
