"""A driver for benchmarks/hosts.py: stream some requests through a plan over hosts, or over one.

Says `prepared`, runs a few alone, says `ready` and then how many are answered, a line each; at the
end a line of JSON with, for each request, when it was submitted and answered (time.monotonic) and
whether its outputs are, bit for bit, those that this same plan gave before, or the plan that they
are held `--against` gives.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.runtime.feeds import random_feeds
from stagecut.runtime.session import Session

#: So many different inputs take turns.
_INPUTS = 8
_SINGLE_RUNS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan")
    parser.add_argument("--cluster")
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--against")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    options = parser.parse_args()
    with Session(options.plan, cluster=options.cluster) as session:
        inputs = [random_feeds(session.planned.inputs, seed, {}) for seed in range(_INPUTS)]
        expected = _expected(session if options.against is None else options.against, inputs)
        os.sync()  # of slices that are still to be written to disk, or CPUs would be at that
        print("prepared", flush=True)
        singles_s = [_single_s(session, inputs[at % _INPUTS]) for at in range(_SINGLE_RUNS)]
        print("ready", flush=True)
        end_s = time.monotonic() + options.seconds
        document = _streamed(session, inputs, expected, options.requests, end_s)
    document["single_s"] = median(singles_s)
    json.dump(document, sys.stdout)


def _expected(by: Session | str, inputs: Sequence[Feeds]) -> list[list[Tensor]]:
    if isinstance(by, Session):
        return [by.run(None, feeds) for feeds in inputs]
    with Session(by) as session:
        return [session.run(None, feeds) for feeds in inputs]


def _single_s(session: Session, feeds: Feeds) -> float:
    start_s = time.perf_counter()
    session.run(None, feeds)
    return time.perf_counter() - start_s


def _streamed(
    session: Session,
    inputs: Sequence[Feeds],
    expected: Sequence[Sequence[Tensor]],
    count: int,
    end_s: float,
) -> dict[str, object]:
    submitted_s: list[float] = []
    answered_s: list[float] = []
    right: list[bool] = []
    errors: list[str] = []

    def feeds() -> Iterator[Feeds]:
        for at in range(count):
            if time.monotonic() > end_s:
                return
            submitted_s.append(time.monotonic())
            yield inputs[at % _INPUTS]

    for at, outputs in enumerate(session.stream(feeds(), on_error="yield")):
        answered_s.append(time.monotonic())
        if isinstance(outputs, BaseException):
            errors.append(str(outputs))
            right.append(False)
        else:
            pairs = zip(outputs, expected[at % _INPUTS], strict=True)
            right.append(all(np.array_equal(one, other) for one, other in pairs))
        print(at, flush=True)
    return {
        "submitted_s": submitted_s, "answered_s": answered_s, "right": right, "errors": errors,
        "most_in_flight": session.most_in_flight, "bottleneck": session.stats().bottleneck,
    }  # fmt: skip


if __name__ == "__main__":
    main()
