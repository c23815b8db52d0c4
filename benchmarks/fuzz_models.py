"""Random ONNX graphs through compile and Session, compared with ONNX Runtime on the whole model.

    python -m benchmarks.fuzz_models --count 10000 --workers 2
    python -m benchmarks.fuzz_models --seed 1234

Each seed is a graph (tests/support/fuzzed_onnx.py), a set of devices and a table by which every
node runs on a random one of them; nothing is measured. It is run at the shapes that it was compiled
for, and at others where it leaves some open.

right        as ONNX Runtime has it
wrong        further off than any plan that ships may be: 1e-3 of the largest number (of 1, where
             all are smaller), 0.05 in models that compute in 16 bits (docs/precision.md)
off          less than that, and more than roundings explain, a tenth of it: something to look at
refused      an error in our own words where ONNX Runtime runs the model; `traceback`: another one
crash, hang  the process died, or took more than `--limit` seconds of CPU time (ten times as long
             by the clock, for one that waits)
unstable     ONNX Runtime contradicts itself, or ONNX's reference, on it
skipped      ONNX Runtime does not run it, or dies of it, by itself
unasked      the process that was to be asked did not start
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue
from typing import IO

import psutil

from tests.support.fuzzed_check import check

#: How long a process may wait for others, as a multiple of the CPU time it may take, and how often
#: it is looked after.
_PATIENCE, _LOOK_S = 10, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1000, help="so many seeds")
    parser.add_argument("--workers", type=int, default=2, help="so many processes")
    parser.add_argument("--limit", type=float, default=60, help="CPU seconds for one graph")
    parser.add_argument("--seed", type=int, help="one seed alone, here and with its traceback")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve()
    elif options.seed is not None:
        print(check(options.seed, caught=False))
    else:
        seeds: Queue[int] = Queue()
        for seed in range(options.first, options.first + options.count):
            seeds.put(seed)
        _run(seeds, options.workers, options.limit)


def _serve() -> None:
    """A worker: takes a seed a line, answers with a verdict a line."""
    print("ready", flush=True)
    for line in sys.stdin:
        verdict, told = check(int(line), ours=lambda: print("ours", flush=True))
        print(json.dumps([int(line), verdict, told]), flush=True)


def _run(seeds: "Queue[int]", workers: int, limit_s: float) -> None:
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def work() -> None:
        for seed, verdict, told in _answers(seeds, limit_s):
            with lock:
                counts[verdict.partition(":")[0]] += 1
                if verdict not in {"right", "unstable", "skipped"}:
                    print(f"{seed} {verdict}: {told}", flush=True)
                if sum(counts.values()) % 100 == 0:
                    print(dict(counts), flush=True)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(dict(counts))


def _answers(seeds: "Queue[int]", limit_s: float) -> Iterator[tuple[int, str, str]]:
    """What a worker says of one seed after the other; it is replaced when it hangs or dies."""
    worker = None
    while True:
        try:
            seed = seeds.get_nowait()
        except Empty:
            break
        worker = worker or _Worker(limit_s)
        answer = worker.ask(seed)
        if answer is None:
            code = worker.end()
            yield seed, worker.blamed(code), f"exit status {code}"
            worker = None
        else:
            yield seed, *answer
    if worker is not None:
        worker.end()


class _Worker:
    #: Who it waits for: the process that starts, then ONNX Runtime with the model, then stagecut.
    _turn = "start"

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        command = [sys.executable, "-m", "benchmarks.fuzz_models", "--serve"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._seen = psutil.Process(self._process.pid)
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put("")

    def ask(self, seed: int) -> tuple[str, str] | None:
        """Verdict and explanation; None where it hangs or dies."""
        if self._turn == "start" and self._line() != "ready\n":
            return None
        self._turn, stdin = "theirs", self._process.stdin
        try:
            if stdin is None:
                return None
            stdin.write(f"{seed}\n")
            stdin.flush()
        except OSError:
            return None
        line = self._line()
        if line == "ours\n":
            self._turn = "ours"
            line = self._line()
        if not line:
            return None
        _, verdict, told = json.loads(line)
        return verdict, told

    def _line(self) -> str:
        """The next one; empty where it dies, or takes too long."""
        before_s, until_s = self._cpu_s(), time.monotonic() + _PATIENCE * self._limit_s
        while self._cpu_s() - before_s < self._limit_s and time.monotonic() < until_s:
            with suppress(Empty):
                line = self._lines.get(timeout=_LOOK_S)
                if not line:
                    self._process.wait()
                return line
        return ""

    def _cpu_s(self) -> float:
        try:
            spent = self._seen.cpu_times()
        except psutil.Error:  # it is gone, which the next line says
            return 0.0
        return float(spent.user + spent.system)

    def blamed(self, code: int | None) -> str:
        """The verdict on a model whose process ended with `code`, or had to be ended."""
        if self._turn == "ours":
            return "hang" if code is None else "crash"
        return "skipped" if self._turn == "theirs" else "unasked"

    def end(self) -> int | None:
        """The exit status of one that died; None for one that had to be ended."""
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        return code


if __name__ == "__main__":
    main()
