"""The plan: compiled to stream, and run by a session."""

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import numpy as np

from benchmarks.throughput.models import Model
from benchmarks.throughput.rival import Finished, Rival, Span
from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.runtime import Session


def the_plan(model: Model, effort: str, stack: ExitStack) -> Rival:
    shapes = {name: array.shape for name, array in model.feeds.items()}
    settings = Settings(effort=effort)  # type: ignore[arg-type]  # checked by whoever compiles
    plan = compile_model(
        model.path, feeds=model.feeds, shapes=shapes, objective="throughput", settings=settings
    )
    session = stack.enter_context(Session(plan))
    planned = plan.first.planned
    stream = planned.stream
    if stream is None:
        raise AssertionError("it was made to stream")
    in_flight = stream.batch * sum(stream.replicas)

    def turn(span: Span) -> Finished:
        end_s = time.perf_counter() + span.seconds
        finished: Finished = []
        enough = in_flight * (span.calls + 1)
        given = itertools.count()

        def inputs() -> Iterator[Mapping[str, np.ndarray]]:
            while time.perf_counter() < end_s or next(given) < enough:
                yield model.feeds

        for _ in session.stream(inputs(), ordered=False):
            finished.append((time.perf_counter(), 1))
        return finished[: len(finished) - in_flight] if len(finished) > 3 * in_flight else finished

    print(f"{model.name}: the plan is {planned.shipped.name}, {stream.replicas} replicas")
    name, seen_s = f"stagecut: {planned.shipped.name}", planned.shipped.median_s
    return Rival(name, turn, in_flight, stream.period_s, seen_s)
