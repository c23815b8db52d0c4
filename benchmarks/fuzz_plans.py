"""Claim: no plan file, however wrong, ends in a traceback, a hang, a crash or a wrong answer.

    python -m benchmarks.fuzz_plans [--mutants 10000] [--first 0] [--workers 2] [--limit 20]
                                    [--minutes 60]

Small plans are changed in one place or in a few (tests/support/mutants.py): bytes flipped or cut,
members swapped, the document, the costs or the programs changed and the file sealed again with the
right digests. Each mutant is taken through everything that can be done with a plan: load, report in
all its forms, export, comparison, session, runs (tests/support/plan_steps.py), in a child process
with a limit on time and memory. Prints how the steps ended, and every fault with the number of the
mutant that shows it: `--first N --mutants 1` repeats one. No mutant is begun after the minutes.
"""

import argparse
import json
import math
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO, cast

from benchmarks.support import describe_machine
from tests.support.plan_steps import FINE, REFUSED

#: How a step may end.
GOOD = (FINE, REFUSED)

#: How long a worker may take to make the plans that are mutated.
_START_S = 300.0

#: The most address space that a worker may take.
_ROOM_BYTES = 64 << 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first mutant")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, default=20.0, help="seconds for one mutant")
    parser.add_argument("--minutes", type=float, default=math.inf, help="for all of them")
    parser.add_argument("--serve", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return
    print(describe_machine())
    numbers = range(options.first, options.first + options.mutants)
    parts = [numbers[at :: options.workers] for at in range(options.workers)]
    with ThreadPoolExecutor(options.workers) as pool:
        end_s = time.monotonic() + 60 * options.minutes
        found = [*pool.map(lambda part: [*watched(part, options.limit, end_s)], parts)]
    show([each for part in found for each in part])


def serve(first: int, step: int) -> None:
    """The child: mutants `first`, `first + step`, ... one line of JSON each, on request."""
    from tests.support.mutants import KINDS, mutate
    from tests.support.plan_steps import outcomes
    from tests.support.small_plans import small_plans

    with tempfile.TemporaryDirectory() as folder:
        plans = [*small_plans(Path(folder))]
        resource.setrlimit(resource.RLIMIT_AS, (_ROOM_BYTES, _ROOM_BYTES))
        mutant = Path(folder) / "mutant.plan"
        print("ready", flush=True)
        number = first
        while sys.stdin.readline():
            plan, reference = plans[number % len(plans)]
            kind = mutate(mutant, plan, number)
            changes_numbers = KINDS[kind].changes_numbers
            endings = [*outcomes(mutant, reference, changes_numbers=changes_numbers)]
            print(json.dumps([number, kind, endings]), flush=True)
            number += step


def watched(
    numbers: range, limit_s: float, end_s: float
) -> Iterator[tuple[int, str, list[list[str]]]]:
    """What a child says of each mutant; one that ends, or says nothing in time, is a fault."""
    child: Child | None = None
    for number in numbers:
        if time.monotonic() > end_s:
            break
        child = child or Child(number, numbers.step)
        answer = child.ask(limit_s)
        if answer is None:
            kind, endings = "?", [["all", child.end()]]
            child = None
        else:
            _, kind, endings = json.loads(answer)
        for step, ending in endings:
            if ending not in GOOD:
                print(f"mutant {number} ({kind}): {step}: {ending}", file=sys.stderr, flush=True)
        yield number, kind, endings
    if child is not None:
        child.end()


class Child:
    """A process that tries mutants, one after the other."""

    def __init__(self, first: int, step: int) -> None:
        command = [sys.executable, "-m", "benchmarks.fuzz_plans", "--serve", str(first), str(step)]
        self._process = subprocess.Popen(  # this very script
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries complain about models that are none
            text=True,
        )
        self._requests = cast("TextIO", self._process.stdin)
        self._answers = cast("TextIO", self._process.stdout)
        self._line(_START_S)

    def ask(self, limit_s: float) -> str | None:
        """The answer about the next mutant; None where there is none in time."""
        self._requests.write("\n")
        self._requests.flush()
        return self._line(limit_s)

    def end(self) -> str:
        """How it ended: by itself, or because it hung."""
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "hang"
        return f"crash: the process ended with {status}"

    def _line(self, limit_s: float) -> str | None:
        ready, _, _ = select.select([self._answers], [], [], limit_s)
        return self._answers.readline() or None if ready else None


def show(found: list[tuple[int, str, list[list[str]]]]) -> None:
    """Counts by kind of change and by step, then the faults."""
    kinds: dict[str, Counter[str]] = {}
    steps: dict[str, Counter[str]] = {}
    faults: dict[str, list[int]] = {}
    for number, kind, endings in found:
        loaded = endings[0][1] if endings[0][0] == "load" else "fault"
        kinds.setdefault(kind.rstrip(" 0123456789"), Counter())[loaded] += 1
        for step, ending in endings:
            sort = ending if ending in GOOD else "fault"
            steps.setdefault(step, Counter())[sort] += 1
            if sort == "fault":
                faults.setdefault(f"{step}: {ending}", []).append(number)
    print(f"\n{len(found)} mutants; how loading them ended:")
    for kind, counts in sorted(kinds.items()):
        print(f"  {kind:45}", dict(counts))
    print("how each step ended:")
    for step, counts in steps.items():
        print(f"  {step:45}", dict(counts))
    print(f"{sum(map(len, faults.values()))} faults")
    for fault, numbers in sorted(faults.items(), key=lambda pair: -len(pair[1])):
        print(f"  {len(numbers):5} x {fault}  (mutant {numbers[0]})")


if __name__ == "__main__":
    main()
