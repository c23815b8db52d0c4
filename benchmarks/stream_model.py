"""Claim: the simulator of streams, told of this machine, says what streams do on it.

    python -m benchmarks.stream_model [--models minilm-32,resnet-50,bert-base-128] [--rounds 5]

What it is told: the machine, by small benchmarks (this_server.py); and of each model what its
operators take on one thread, one by one, as parts of what one caller of one thread takes. Each is a
kernel with threads of its own: behind a product that two threads share, one of them may be left
alone with a normalisation; convolutions take along what is behind them. What it has to say, and
what takes turns here:

    1 session x 2 threads       one caller
    2 callers                   of one session of one thread, inputs one by one and in batches
    2 sessions, 2 processes     of one thread each, which have weights of their own
    pipeline                    2 stages of one thread, cut where the simulator would cut, under
                                the runtime's own threads

The simulator drives the runtime's own scheduler; all that it says is modelled. Rates are what can
be had with a CPU for each thread: calls by the processor time of their threads, of which other work
takes nothing; of all calls the lower quartile counts. Where two threads share a call its fastest
counts, as in any other one of them may have had no CPU, and turns wait a while for a moment in
which both are free; where there was none, the row says so and does not count. How much other work
there was is told.
Writes stream_model.json and stream_model.png.
"""

import argparse
import multiprocessing
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawing import bars
from benchmarks.open_models import OpenModel, build, written
from benchmarks.support import describe_machine, keep, with_models
from benchmarks.this_server import ThisServer, lower_quartile, this_server, timed, wait_for_quiet
from benchmarks.turns import ForeignLoad
from stagecut.backends.server.calibrate import calibrated
from stagecut.backends.server.calls import ServerCalls, pools_of
from stagecut.backends.server.cut import cut
from stagecut.backends.server.placement import Placement, native
from stagecut.backends.server.work import Work, works_of
from stagecut.compiler.context import Settings
from stagecut.compiler.context_of import context_of
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends.normal_form.normalise import normalise
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.transfers import scheduled
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.runtime.executor import Executor
from stagecut.runtime.simulate.simulate import simulate
from stagecut.runtime.stream.full import Only
from stagecut.runtime.stream.item import Item
from stagecut.runtime.stream.pipeline import Layout, Pipeline

MODELS = {
    "minilm-32": "minilm:seq=32",
    "resnet-50": "resnet-50",
    "bert-base-128": "bert-base:seq=128",
}
BATCHES = (2, 4, 8)
TURN_S = 0.5
#: What the pipeline runs in a turn at the least, and how many inputs are in flight.
INPUTS, LIMIT = 6, 4
#: Runs of the model node by node, and the least calls of a turn.
RUNS, CALLS = 9, 2
DEVICE = "cpu.serial"

Feeds = Mapping[str, np.ndarray]


@dataclass
class Row:
    """A turn gives processor times of calls, for each stage of its own; the slowest stage counts.
    `told` is what the simulator is told of instead of asked. Threads that are `shared` by a call
    need CPUs that are `quiet`, in one turn at the least."""

    name: str
    predicted: float
    turn: Callable[[], Sequence[Sequence[float]]]
    inputs: int = 1
    shared: bool = False
    told: bool = False
    quiet: bool = False
    times_s: list[list[float]] = field(default_factory=list)

    def take_turn(self) -> None:
        if self.shared:
            self.quiet = wait_for_quiet() or self.quiet
        for stage, times_s in enumerate(self.turn()):
            self.times_s += [[] for _ in range(stage + 1 - len(self.times_s))]
            self.times_s[stage] += times_s

    @property
    def measured(self) -> float:
        """Inputs a second."""
        calls = [min(each) if self.shared else lower_quartile(each) for each in self.times_s]
        return self.inputs / max(calls)


@dataclass(frozen=True)
class Model:
    """A model, what its nodes take on one thread, and how it is run in stages."""

    open: OpenModel
    works: tuple[Work, ...]
    measured_s: Mapping[str, float]
    cut_behind: Callable[[Sequence[Sequence[Work]]], Executor]


def main() -> None:
    options = _arguments()
    print(describe_machine())
    machine = this_server()
    print("this machine, as measured now:", *machine.lines(), sep="\n")
    rows: list[dict[str, Any]] = []
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            model = _model(MODELS[name], Path(folder))
            rows += _matrix(name, model, machine, options.rounds, stack)
    asked = [row for row in rows if row["asked"]]
    errors = [abs(row["error"]) for row in asked]
    close = sum(error <= 0.1 for error in errors)
    print(
        f"{close} of {len(errors)} predictions within 10 %; median {statistics.median(errors):.1%}"
    )
    document = {"machine": describe_machine(), "model": machine.lines(), "rows": rows}
    foretold = [row for row in rows if not row["told"]]
    keep("stream_model", document, partial(_draw, foretold), options.output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each row")
    return with_models(parser, MODELS)


def _model(spec: str, folder: Path) -> Model:
    open_model = written(*build(spec), folder)
    context = context_of([DEVICE], Settings())
    program = normalise(open_model.imported, feeds=open_model.feeds)
    graph = graph_of(program)
    kernels: Granularity = "cluster" if any(node.op == "Conv" for node in graph.nodes) else "op"
    expanded = Expand(context.backends)(Cluster(context.backends, kernels)(graph))
    weights = write_weights([program.model], folder)[0]
    answers = Measurements(context, program, expanded.graph, weights).answers
    costs = synthetic_costs(expanded, lambda candidates: candidates[0])

    def staged(nodes: Sequence[Sequence[str]]) -> Executor:
        found = scheduled(costs, [Stage(DEVICE, tuple(each)) for each in nodes])
        single = Proposal(ContenderId(ContenderKind.OPTIMUM), found, account(costs, found))
        return answers.build(answers.staged(single), answers.outputs)

    names = [node.name for node in expanded.graph.nodes]
    times_s = _by_node(staged([[name] for name in names]), program.feeds, len(names))
    measured_s = dict(zip(names, times_s, strict=True))

    def cut_behind(works: Sequence[Sequence[Work]]) -> Executor:
        ends = [names.index(stage[-1].name) + 1 for stage in works[:-1]]
        return staged([names[at:end] for at, end in pairwise([0, *ends, len(names)])])

    return Model(open_model, works_of(expanded.graph), measured_s, cut_behind)


def _by_node(executor: Executor, feeds: Feeds, nodes: int) -> list[float]:
    """Processor time of each, in a run of all of them one after the other, less what it takes to
    start a stage: what the one that does least takes."""
    times_s: list[list[float]] = [[] for _ in range(nodes)]
    for _ in range(RUNS):
        passage = executor.by_stage(feeds)
        for each in times_s:
            start_s = time.thread_time()
            passage.advance()
            each.append(time.thread_time() - start_s)
    taken_s = [lower_quartile(each[1:]) for each in times_s]
    return [each - min(taken_s) for each in taken_s]


def _matrix(
    name: str, model: Model, machine: ThisServer, rounds: int, stack: ExitStack
) -> list[dict[str, Any]]:
    path, feeds = model.open.path, model.open.feeds
    cpus = len(machine.server.cores)
    one = _session(path, 1)
    alone = Row("1 caller", 0.0, partial(_called, [partial(one.run, None, feeds)]), told=True)
    alone.take_turn()
    load = ForeignLoad()
    for _ in range(rounds):
        alone.take_turn()
    works = calibrated(
        machine.server, machine.kernels, model.works, model.measured_s, 1 / alone.measured
    )
    rate = partial(_predicted, machine)
    each_alone = tuple((core,) for core in machine.server.cores)
    whole = partial(Placement, "", (works,), home="own node")
    replicas, copies = whole((each_alone,), shared=True), whole((each_alone,), shared=False)
    alone.predicted = rate(whole((each_alone[:1],)))
    all_threads = _session(path, cpus)
    rows = [
        alone,
        Row(
            f"1 session x {cpus} threads",
            rate(native(machine.server, works)),
            partial(_called, [partial(all_threads.run, None, feeds)]),
            shared=True,
        ),
    ]
    for batch in (1, *BATCHES):
        many = {key: np.concatenate([array] * batch) for key, array in feeds.items()}
        call = partial(one.run, None, many)
        title = f"{cpus} callers" + (f", batches of {batch}" if batch > 1 else "")
        turn = partial(_called, [call] * cpus)
        rows.append(Row(title, rate(replicas, batch), turn, inputs=batch * cpus))
    own = [partial(_session(path, 1).run, None, feeds) for _ in range(cpus)]
    apart = rate(copies)
    rows += [
        Row(f"{cpus} sessions", apart, partial(_called, own), inputs=cpus),
        Row(f"{cpus} processes", apart, _processes(path, feeds, stack), inputs=cpus),
    ]
    stages = cut(machine.server, machine.kernels, works, 2, each_alone[0])
    staged = Placement("", stages, tuple((team,) for team in each_alone[:2]), "own node")
    rows.append(Row("pipeline", rate(staged), partial(_streamed, model.cut_behind(stages), feeds)))
    return _told(name, rows, rounds, load, second_thread=machine.quiet)


def _told(
    name: str, rows: Sequence[Row], rounds: int, load: ForeignLoad, *, second_thread: bool
) -> list[dict[str, Any]]:
    order = random.Random(0)  # noqa: S311  # nothing secret
    for row in rows[1:]:  # the first turn is for warming up
        row.take_turn()
        row.times_s.clear()
    for _ in range(rounds):
        for row in order.sample(rows, len(rows)):
            row.take_turn()
    print(f"{name}: {load}")
    print(f"  {'':28} {'measured':>9} {'predicted':>10} {'error':>7}")
    found = []
    for row in rows:
        error = row.predicted / row.measured - 1
        asked = not row.told and (not row.shared or (row.quiet and second_thread))
        how = "" if asked else "  told" if row.told else "  other work left no CPU free"
        print(
            f"  {row.name:28} {row.measured:7.2f}/s {row.predicted:8.2f}/s {error:+7.1%}"
            f"   {min(map(len, row.times_s)):4} calls{how}"
        )
        found.append(
            {
                "model": name,
                "row": row.name,
                "measured": row.measured,
                "predicted": row.predicted,
                "error": error,
                "told": row.told,
                "asked": asked,
                "load": str(load),
            }
        )
    return found


def _predicted(machine: ThisServer, placement: Placement, batch: int = 1) -> float:
    """Inputs a second, by the simulator."""
    calls = ServerCalls(machine.server, machine.kernels, placement)
    every = sum(placement.replicas)
    alone_s = sum(segment.alone_s for segment in calls(0, 0, batch))
    found = simulate(
        calls,
        pools_of(machine.server),
        placement.replicas,
        inputs=12 * every * batch,
        limit=(every + len(placement.stages)) * batch,
        batches=(batch,) * len(placement.replicas),
        spacing_s=alone_s / (every * batch),
    )
    return 1 / found.period_s


# ------------------------------------------------------------------------------------------ turns


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _called(calls: Sequence[Callable[[], object]]) -> list[list[float]]:
    """A thread for each caller."""
    found: list[float] = []

    def work(call: Callable[[], object]) -> None:
        found.extend(timed(call, TURN_S, CALLS))

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found]


def _streamed(executor: Executor, feeds: Feeds) -> list[list[float]]:
    """The runtime's own pipeline, by the processor time of its threads."""
    pipeline = Pipeline(Layout(("", ""), (1, 1), 1, LIMIT), time.thread_time)
    only = Only(executor)
    end_s, done = time.perf_counter() + TURN_S, 0
    while done < INPUTS or time.perf_counter() < end_s:
        pipeline.submit(Item(only, feeds, (), lambda outputs: [*outputs.values()]), "block")
        done += 1
    pipeline.close(cancel=False)
    pipeline.join()
    return [[call.took_s for call in calls][1:] for calls in pipeline.snapshot().calls]


def _processes(path: Path, feeds: Feeds, stack: ExitStack) -> Callable[[], list[list[float]]]:
    """One for each CPU, pinned to it; they are there until the stack ends."""
    context = multiprocessing.get_context("spawn")
    ends = []
    for cpu in sorted(os.sched_getaffinity(0)):
        here, there = context.Pipe()
        process = context.Process(target=_served, args=(there, cpu, path, feeds), daemon=True)
        process.start()
        stack.callback(process.join)
        stack.callback(here.send, None)
        ends.append(here)

    def turn() -> list[list[float]]:
        for end in ends:
            end.send("go")
        return [[time_s for end in ends for time_s in end.recv()]]

    return turn


def _served(end: Connection, cpu: int, path: Path, feeds: Feeds) -> None:
    os.sched_setaffinity(0, [cpu])
    session = _session(path, 1)
    while end.recv() is not None:
        end.send(timed(lambda: session.run(None, feeds), TURN_S, CALLS))


def _draw(rows: Sequence[dict[str, Any]], output: Path) -> None:
    """How near each prediction comes; the row that was told, and rows that could not be measured,
    have no value."""
    names = [*dict.fromkeys(row["row"] for row in rows)]
    models = [*dict.fromkeys(row["model"] for row in rows)]
    near = {(row["model"], row["row"]): _near(row) for row in rows}
    series = {model: [near.get((model, name)) for name in names] for model in models}
    bars(output, names, series, "predicted inputs/s over measured ones", "{:.3f}".format)


def _near(row: Mapping[str, Any]) -> float | None:
    return row["predicted"] / row["measured"] if row["asked"] else None


if __name__ == "__main__":
    main()
