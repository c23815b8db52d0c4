"""A process for each CPU, which stays there."""

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.throughput.rival import Finished, Span
from stagecut.compiler.measure.cpus import usable_cpus


def processes(
    stack: ExitStack,
    make: Callable[[], Callable[[Any], object]],
    feeds: Mapping[str, np.ndarray],
) -> Callable[[Span], Finished]:
    """A turn of one process for each CPU, pinned to it; they are there until the stack ends."""
    context = multiprocessing.get_context("spawn")
    ends = []
    for cpu in sorted(os.sched_getaffinity(0))[: usable_cpus()]:
        here, there = context.Pipe()
        process = context.Process(target=_served, args=(there, cpu, make, feeds), daemon=True)
        process.start()
        stack.callback(process.join)
        stack.callback(here.send, None)
        ends.append(here)
    for end in ends:
        end.recv()

    def turn(span: Span) -> Finished:
        for end in ends:
            end.send(span)
        finished: list[Finished] = [end.recv() for end in ends]
        first_s = max(each[0][0] for each in finished)
        last_s = min(each[-1][0] for each in finished)
        both = [pair for each in finished for pair in each if first_s <= pair[0] <= last_s]
        return [(first_s, 0)] * len(ends) + [pair for pair in both if pair[0] > first_s]

    return turn


def _served(
    end: Connection,
    cpu: int,
    make: Callable[[], Callable[[Any], object]],
    feeds: Mapping[str, np.ndarray],
) -> None:
    os.sched_setaffinity(0, [cpu])
    call = make()
    call(feeds)
    end.send("ready")
    while (span := end.recv()) is not None:
        finished: Finished = []
        end_s = time.perf_counter() + span.seconds
        while time.perf_counter() < end_s or len(finished) < span.calls:
            call(feeds)
            finished.append((time.perf_counter(), 1))
        end.send(finished)
