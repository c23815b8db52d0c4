"""Random ONNX graphs through compile and Session, compared with ONNX Runtime on the whole model.

    python -m benchmarks.fuzz_models --count 10000 --workers 2
    python -m benchmarks.fuzz_models --seed 1234

Each seed is a graph (tests/support/fuzzed_onnx.py), a set of devices and a table by which every
node runs on a random one of them; nothing is measured. It is run at the shapes that it was compiled
for, and at others where it leaves some open. A finding is a wrong answer, an error where ONNX
Runtime runs the model (`refused` in our own words, `traceback` otherwise), a `hang` or a `crash`.
A graph is `unstable` where ONNX Runtime contradicts itself, or ONNX's reference, on it; it is
`skipped` where ONNX Runtime does not run it, or dies of it, by itself.
"""

import argparse
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from queue import Empty, Queue
from typing import IO

from tests.support.fuzzed_check import check


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1000, help="so many seeds")
    parser.add_argument("--workers", type=int, default=2, help="so many processes")
    parser.add_argument("--limit", type=float, default=60, help="seconds for one graph")
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
        worker = worker or _Worker()
        answer = worker.ask(seed, limit_s)
        if answer is None:
            code = worker.end()
            verdict = "hang" if code is None else "crash"
            yield seed, verdict if worker.ours else "skipped", f"exit status {code}"
            worker = None
        else:
            yield seed, *answer
    if worker is not None:
        worker.end()


class _Worker:
    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.fuzz_models", "--serve"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put("")

    #: Whether it is stagecut's turn with the model that was asked about last.
    ours = False

    def ask(self, seed: int, limit_s: float) -> tuple[str, str] | None:
        """Verdict and explanation; None where it hangs or dies."""
        stdin, self.ours = self._process.stdin, False
        try:
            if stdin is None:
                return None
            stdin.write(f"{seed}\n")
            stdin.flush()
            line = self._lines.get(timeout=limit_s)
            self.ours = line == "ours\n"
            if self.ours:
                line = self._lines.get(timeout=limit_s)
        except (OSError, Empty):
            return None
        if not line:
            self._process.wait()
            return None
        _, verdict, told = json.loads(line)
        return verdict, told

    def end(self) -> int | None:
        """The exit status of one that died; None for one that had to be ended."""
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        return code


if __name__ == "__main__":
    main()
