"""`stagecut bench`: a plan beside the engines used by hand, taking turns."""

import random as order
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, progress_bars, say
from stagecut.compiler.cli.rivals import ENGINES, Many, One, Rival, rivals
from stagecut.compiler.ir import units
from stagecut.compiler.ir.errors import FeedError, PlanError, UsageError, told

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import StoredVariant
    from stagecut.compiler.ir.device import Feeds
    from stagecut.runtime.session import Session

_PLAN = "the plan"


def bench(
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
    against: Annotated[
        str,
        typer.Option(
            metavar="ENGINE,ENGINE", help="The engines that it is measured beside, used by hand."
        ),
    ] = ",".join(ENGINES),
    rounds: Annotated[int, typer.Option(min=1, help="How many turns each one has.")] = 5,
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
    """Measure a plan beside ONNX Runtime and OpenVINO used by hand, taking turns.

    All run the plan's own program: one input at a time for the latency, and as many at once as
    each takes for the inputs a second.

    stagecut bench bert.plan
    stagecut bench bert.plan --against onnxruntime
    stagecut bench bert.plan --rounds 10 --seconds 2 --json
    """
    from stagecut.compiler.formats.plan_file import Plan
    from stagecut.compiler.measure.cpus import usable_cpus
    from stagecut.compiler.measure.foreign_load import foreign_load, read_load
    from stagecut.runtime.session import Session

    engines = _engines(against)
    loaded = Plan.load(plan)
    stored = loaded.variant(common.parse_shapes(shape))
    with Session(loaded, fallback=fallback) as session, TemporaryDirectory() as folder:
        if stored.planned.account.basis == "modelled" and not session.is_fallback:
            raise PlanError(
                "runs on modelled devices, whose time this machine cannot show",
                where=str(plan),
                fix="read what their models say: `stagecut report PLAN`",
            )
        feeds = _feeds(session, stored, random, common.read_feeds(feed))
        model = Path(folder) / "model.onnx"
        before = read_load()
        rows = _measured(
            [
                _of_plan(session, feeds),
                *rivals(model, _written(stored, model, feeds), usable_cpus(), engines),
            ],
            rounds,
            seconds,
        )
        load = foreign_load(before, read_load())
    taken = None if load is None else load.taken
    if json:
        print_json("stagecut.bench/1", {**_document(rows), "foreign_load": taken})
    else:
        _show(rows, taken)


def _engines(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name == "torch":
            raise UsageError(
                "a plan holds its model as ONNX, and no PyTorch program",
                where="--against torch",
                fix="measure torch.compile with the program itself, as benchmarks/peers.py does",
            )
        common.one_of(name, ENGINES, "--against")
    return names


@dataclass(slots=True)
class Row:
    """What was measured of one: how long single inputs took, and how many a second came out in each
    turn; or why it does not run."""

    name: str
    latencies_s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    failure: str = ""


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


def _of_plan(session: "Session", feeds: "Feeds") -> Rival:
    def one() -> object:
        return session.run(None, feeds)

    def many(seconds: float) -> tuple[int, float]:
        start_s = time.perf_counter()
        count = sum(1 for _ in session.stream(_until(start_s + seconds, feeds)))
        return count, time.perf_counter() - start_s

    return Rival(_PLAN, lambda: (one, many))


def _until(end_s: float, feeds: "Feeds") -> "Iterator[Feeds]":
    while time.perf_counter() < end_s:
        yield feeds


def _measured(contestants: Sequence[Rival], rounds: int, seconds: float) -> list[Row]:
    """In the order given. Raises what the plan, the first of them, raises."""
    rows: list[Row] = []
    ready: list[tuple[Row, One, Many]] = []
    for rival in contestants:
        rows.append(Row(rival.name))
        try:
            one, many = rival.make()
            one()  # in their first calls engines allocate memory
            many(seconds / 4)
        except Exception as error:  # engines raise what they like
            if rival is contestants[0]:
                raise
            rows[-1].failure = told(error).splitlines()[0]
        else:
            ready.append((rows[-1], one, many))
    random = order.Random(0)  # noqa: S311  # nothing secret
    turns = [turn for _ in range(rounds) for turn in random.sample(ready, len(ready))]
    for row, one, many in progress_bars()(turns, "measuring"):
        try:
            _take_turn(row, one, many, seconds)
        except Exception as error:  # engines raise what they like, whenever they like
            if row is rows[0]:
                raise
            row.failure = row.failure or told(error).splitlines()[0]
    return rows


def _take_turn(row: Row, one: One, many: Many, seconds: float) -> None:
    one()  # the others had the caches
    end_s = time.perf_counter() + seconds
    while (start_s := time.perf_counter()) < end_s:
        one()
        row.latencies_s.append(time.perf_counter() - start_s)
    count, elapsed_s = many(seconds)
    row.rates.append(count / elapsed_s)


def _document(rows: Sequence[Row]) -> dict[str, object]:
    return {"rows": [_row(row) for row in rows]}


def _row(row: Row) -> dict[str, object]:
    from stagecut.runtime.stream.statistics import percentiles

    if row.failure:
        return {"name": row.name, "failure": row.failure}
    median_s, p99_s = percentiles(row.latencies_s)
    return {
        "name": row.name,
        "latency_s": {"median": median_s, "p99": p99_s, "runs": len(row.latencies_s)},
        "inputs_per_s": {
            "median": statistics.median(row.rates),
            "min": min(row.rates),
            "max": max(row.rates),
            "turns": len(row.rates),
        },
    }


def _show(rows: Sequence[Row], taken: float | None) -> None:
    from stagecut.runtime.stream.statistics import percentiles

    width = max(len(row.name) for row in rows)
    plan_rate = statistics.median(rows[0].rates)
    heads = f"{'latency':>9} {'p99':>9}  {'inputs/s':>9}  {'in each turn':>17}"
    say(f"{'':{width}}  {heads}  of the plan")
    for row in rows:
        if row.failure:
            say(f"{row.name:{width}}  does not run it: {row.failure}")
            continue
        median, p99 = map(units.seconds, percentiles(row.latencies_s))
        rate = statistics.median(row.rates)
        span = f"{min(row.rates):.1f} .. {max(row.rates):.1f}"
        say(
            f"{row.name:{width}}  {median:>9} {p99:>9}  {rate:>9.1f}  {span:>17}  "
            f"{rate / plan_rate:.2f}"
        )
    if taken is not None:
        say(f"meanwhile other work took {taken:.0%} of the CPUs")
