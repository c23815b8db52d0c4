"""`stagecut bench`: a plan beside the engines used by hand, taking turns."""

import random as order
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.bench_output import Row, document, lines
from stagecut.compiler.cli.decoding import EveryEntryOption, entries_asked
from stagecut.compiler.cli.output import print_json, progress_bars, say
from stagecut.compiler.cli.rivals import ENGINES, USUAL, Asked, OfPlan, Rival, rivals
from stagecut.compiler.ir.errors import FeedError, PlanError, UsageError

if TYPE_CHECKING:
    from stagecut.compiler.cli.contestant import Contestant
    from stagecut.compiler.formats.plan_file import Plan, StoredVariant
    from stagecut.compiler.ir.device import Feeds, Listener
    from stagecut.runtime.session import Session


def bench(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file.")],
    feed: common.FeedOption = None,
    random: Annotated[
        int, typer.Option(metavar="SEED", min=0, help="Random values for inputs not given.")
    ] = 0,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT=1x128",
            help="Measure the variant that was profiled with this shape, not the first one.",
        ),
    ] = None,
    entry: EveryEntryOption = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="ENGINE,ENGINE",
            help=f"The engines that it is measured beside, used by hand: {', '.join(ENGINES)}.",
        ),
    ] = ",".join(USUAL),
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The PyTorch program of the plan (package.module:factory, a .pt2 file), for "
            "torch; it runs its code. Plans of the zoo know theirs.",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=10**9, help="How many turns each one has.")] = 5,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=3600,
            help="How long a turn runs one input at a time, and then many at once.",
        ),
    ] = 1.0,
    fallback: common.FallbackOption = False,
    json: common.JsonOption = False,
) -> None:
    """Measure a plan beside ONNX Runtime, OpenVINO and PyTorch used by hand, taking turns.

    All run the plan's own program, each in a process of its own: one input at a time for the
    latency, and as many at once as each takes for the inputs a second: the plan by `run`, by `run`
    in a thread for each CPU, and as a stream, of which the best counts. Memory is what the process
    has while it runs, with Python and the engine; the peak is that of making it.

    Of a decoder's plan, each entry is measured, at the sizes that it was compiled for: the step of
    a token first, behind as many as then, with its states as inputs.

      stagecut bench bert.plan
      stagecut bench gpt2.plan --entry decode
      stagecut bench bert.plan --against onnxruntime,openvino,torch
      stagecut bench mine.plan --against torch --model package.module:factory
      stagecut bench bert.plan --rounds 10 --seconds 2 --json
    """
    from stagecut.compiler.formats.plan_file import Plan
    from stagecut.compiler.measure.foreign_load import foreign_load, read_load

    engines = _engines(against)
    loaded = Plan.load(plan)
    shapes = common.parse_shapes(shape)
    names = entries_asked(loaded, entry, shapes)
    every = [loaded.variant(shapes, name) for name in names]
    made_from = every[0].planned.provenance.options.get("of the zoo", "")
    program = _program(model, made_from) if "torch" in engines else ""
    if feed and len(every) > 1:
        raise UsageError(
            f"the plan has {' and '.join(map(str, names))}, and inputs are of one of them",
            where="--input",
            fix=f"say which: --entry {names[0]}",
        )
    heard = common.listener(context.obj, 0.0)
    before = read_load()
    found = {
        stored.entry: _entry_rows(
            plan,
            stored,
            _fed(loaded, stored, random, feed, fallback=fallback, heard=heard),
            engines,
            program,
            rounds,
            seconds,
            fallback=fallback,
            notes=context.obj,
        )
        for stored in every
    }
    load = foreign_load(before, read_load())
    taken = None if load is None else load.taken
    documents = {name: document(rows) for name, rows in found.items()}
    if json:
        told = {} if loaded.decoding is None else {"entries": documents}
        first = next(iter(documents.values()))
        print_json("stagecut.bench/1", {**first, **told, "foreign_load": taken})
        return
    single = loaded.decoding is None and every[0].planned.stream is None
    for stored in every:
        if loaded.decoding is not None:
            say(f"{stored.entry}: {stored.planned.profiled}")
        last = taken if stored is every[-1] else None
        rows = found[stored.entry]
        say(*lines(rows, last, instead=_for_many(made_from) if single else ""))


def _fed(
    loaded: "Plan",
    stored: "StoredVariant",
    seed: int,
    feed: Sequence[str] | None,
    *,
    fallback: bool,
    heard: "Listener",
) -> "Feeds":
    """What all are fed, of which `feed` are files; raises what the plan raises on it, and PlanError
    where it is modelled. Files are read once the devices are made: what comes out of a pipe would
    be gone where one ends the process, and is left to the fallback of the next."""
    from stagecut.runtime.session import Session

    with Session(loaded, fallback=fallback, entry=stored.entry, listener=heard) as session:
        if stored.planned.account.basis == "modelled" and not session.is_fallback:
            raise PlanError(
                "runs on modelled devices, whose time this machine cannot show",
                where=str(loaded.archive.path),
                fix="read what their models say: `stagecut report PLAN`",
            )
        feeds = _feeds(session, stored, seed, common.read_feeds(feed))
        session.run(None, feeds)
    return feeds


def _entry_rows(
    plan: Path,
    stored: "StoredVariant",
    feeds: "Feeds",
    engines: Sequence[str],
    program: str,
    rounds: int,
    seconds: float,
    *,
    fallback: bool,
    notes: Path | None,
) -> list[Row]:
    from stagecut.compiler.measure.cpus import usable_cpus

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        inputs = [feeds[port.name] for port in stored.planned.inputs]
        asked = Asked(path, _written(stored, path, feeds), program, inputs)
        own = OfPlan(plan, feeds, fallback, stored.entry, notes)
        others = rivals(asked, usable_cpus(), engines)
        return _measured(plan, [own, *others], rounds, seconds)


def _engines(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        common.one_of(name, ENGINES, "--against")
    return names


def _program(given: str | None, made_from: str) -> str:
    """Nothing that a plan file names is imported, but for models of the zoo, which are ours."""
    from stagecut.compiler.frontends.zoo import PREFIX

    if given is not None:
        return given
    if made_from.startswith(PREFIX):
        return made_from
    raise UsageError(
        "a plan holds its model as ONNX, and no PyTorch program",
        where="--against torch",
        fix="name the program: --model package.module:factory, or a .pt2 file",
    )


def _for_many(made_from: str) -> str:
    return f"stagecut compile {made_from or 'MODEL'} -o PLAN --objective throughput"


def _feeds(session: "Session", stored: "StoredVariant", seed: int, given: "Feeds") -> "Feeds":
    """For the variant; raises FeedError for inputs that it was not profiled for."""
    from stagecut.runtime.feeds import random_feeds

    feeds = {**session.defaults, **random_feeds(stored.planned.inputs, seed), **given}
    session.variant(feeds)  # raises for what does not fit the plan at all
    for port in stored.planned.inputs:
        if feeds[port.name].shape != port.shape:
            raise FeedError(
                "has another shape than the variant that is measured, "
                f"which was profiled with {stored.planned.profiled}",
                where=f"input {port.name}",
                fix="choose the variant with --shape, or feed another array",
            )
    return feeds


def _written(stored: "StoredVariant", path: Path, feeds: "Feeds") -> "Feeds":
    """Writes the plan's program, put together again; what it has to be fed."""
    from stagecut.compiler.report.export.onnx import annotated, write_model

    model = annotated(stored.planned, stored.staged())
    write_model(model, path, f"{path.name}.weights")
    named = {port.inside: port.name for port in stored.planned.inputs}
    return {value.name: feeds[named[value.name]] for value in model.graph.inputs if value.name}


def _measured(plan: Path, contestants: Sequence[Rival], rounds: int, seconds: float) -> list[Row]:
    """In the order given, the first that of `plan`; raises PlanError as soon as that does not run,
    as the others are measured for its sake."""
    from stagecut.compiler.cli.contestant import Contestant

    with ExitStack() as stack:
        running = [stack.enter_context(Contestant(rival, seconds)) for rival in contestants]
        rows = [Row(each.name) for each in running]
        for contestant in progress_bars()(running, "preparing"):
            contestant.begin()
            _check_runs(running[0], plan)
        ready = [pair for pair in zip(rows, running, strict=True) if not pair[1].failure]
        random = order.Random(0)  # noqa: S311  # nothing secret
        turns = [turn for _ in range(rounds) for turn in random.sample(ready, len(ready))]
        for row, contestant in progress_bars()(turns, "measuring"):
            if (turn := contestant.turn()) is not None:
                row.turns.append(turn)
            _check_runs(running[0], plan)
        for row, contestant in zip(rows, running, strict=True):
            row.failure = contestant.failure
    return rows


def _check_runs(contestant: "Contestant", plan: Path) -> None:
    if contestant.failure:
        raise PlanError(contestant.failure, where=str(plan), fix="compile the model again")
