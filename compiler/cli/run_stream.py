"""`stagecut run --stream`: many inputs through a plan, and how fast they come out.

Closed loop: a new input as soon as there is room for it. Open loop (`--rate`): an input at even
distances, whether there is room or not.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stagecut.compiler.cli.output import LiveLine, note, print_json, say
from stagecut.compiler.cli.outputs import check_outputs
from stagecut.compiler.ir import units
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Feeds
    from stagecut.compiler.ir.stream_trace import StreamObserved
    from stagecut.runtime.session import Session
    from stagecut.runtime.stream.statistics import StreamStats

#: What the live line says is of so much time.
_RECENT_S = 2.0
_MOST_SECONDS, _MOST_RATE, _MOST_INPUTS = 24 * 3600.0, 1e6, 1e7


@dataclass(frozen=True, slots=True)
class Streamed:
    """A stream that has ended: outputs by this machine's clock, and what `stats` says at the end.

    `rate` is None in a closed loop, whose latencies count from when there was room for an input; in
    an open loop they count from its intended start, and `not_begun` never got one.
    """

    rate: float | None
    elapsed_s: float
    outputs: int
    failed: int
    not_begun: int
    outputs_per_s: float
    p50_s: float
    p99_s: float
    stats: "StreamStats"
    error: BaseException | None


def check_options(
    given: Mapping[str, object], *, stream: bool, seconds: float, rate: float | None
) -> None:
    """`given` are options of single runs, and whether they were given. Raises UsageError."""
    if not stream:
        if rate is not None:
            raise UsageError("is for streams", where="--rate", fix="add --stream, or leave it out")
        return
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                "is for single runs", where=option, fix="leave it out, or leave out --stream"
            )
    if not 0 < seconds <= _MOST_SECONDS:
        raise UsageError(f"{seconds:g} s is no time", where="--seconds", fix="write --seconds 10")
    if rate is not None and not 0 < rate <= _MOST_RATE:
        raise UsageError(f"{rate:g} is no rate", where="--rate", fix="write --rate 200")
    if rate is not None and rate * seconds > _MOST_INPUTS:
        raise UsageError(
            f"{rate * seconds:g} inputs are more than can be kept count of",
            where="--rate",
            fix="go on for fewer --seconds, or at a lower --rate",
        )


def run_stream(
    session: "Session",
    feeds: "Feeds",
    *,
    seconds: float,
    rate: float | None,
    trace: Path | None,
    json: bool,
) -> None:
    """Raises the first error of an input behind everything else, and before anything runs
    OutputError for a `trace` that cannot be written."""
    check_outputs({"--trace": trace})
    modelled = session.planned.account.basis == "modelled"
    if modelled and not session.is_fallback and not session.is_over_hosts:
        note(
            "modelled devices run as fast as this machine computes what they would: the times "
            "below are not theirs"
        )
    with session:
        _warm_up(session, feeds)
        with LiveLine() as line:
            watched = _Watched(session, line)
            if rate is None:
                streamed = _closed(session, feeds, seconds, watched)
            else:
                streamed = _open(session, feeds, seconds, rate, watched)
    if json:
        print_json("stagecut.stream/1", document(streamed))
    else:
        _show(streamed)
    if trace is not None:
        from stagecut.compiler.formats.atomic import replacing
        from stagecut.compiler.formats.chrome_trace import stream_to_chrome

        with replacing(trace) as temporary:
            text = stream_to_chrome(session.stream_trace(), _observed(session, streamed))
            temporary.write_text(text, "utf-8")
    if streamed.error is not None:
        raise streamed.error


def _observed(session: "Session", streamed: Streamed) -> "StreamObserved":
    from stagecut.compiler.ir.stream_trace import StreamObserved

    return StreamObserved(
        tuple(stage.device for stage in session.schedule.stages),
        session.planned.profiled,
        streamed.outputs,
        streamed.stats.period_s or 0.0,
        streamed.p50_s,
        streamed.p99_s,
        streamed.stats.bottleneck,
    )


def _warm_up(session: "Session", feeds: "Feeds") -> None:
    """In their first calls engines allocate memory, and prepare for batches: they do not count.

    Raises what is wrong with the inputs.
    """
    session.run(None, feeds)
    for _ in session.stream([feeds] * 2 * session.most_in_flight):
        pass


def _closed(session: "Session", feeds: "Feeds", seconds: float, line: "_Watched") -> Streamed:
    start_s = time.perf_counter()
    outputs = failed = 0
    error: Exception | None = None
    for result in session.stream(_until(start_s + seconds, feeds), on_error="yield"):
        if isinstance(result, Exception):
            failed += 1
            error = error or result
        else:
            outputs += 1
        line.watch()
    elapsed_s = time.perf_counter() - start_s
    stats = session.stats(since_s=start_s)
    return Streamed(
        rate=None,
        elapsed_s=elapsed_s,
        outputs=outputs,
        failed=failed,
        not_begun=0,
        outputs_per_s=outputs / elapsed_s,
        p50_s=stats.p50_s,
        p99_s=stats.p99_s,
        stats=stats,
        error=error,
    )


def _until(end_s: float, feeds: "Feeds") -> "Iterator[Feeds]":
    while time.perf_counter() < end_s:
        yield feeds


def _open(
    session: "Session", feeds: "Feeds", seconds: float, rate: float, line: "_Watched"
) -> Streamed:
    from stagecut.runtime.stream.load import open_loop

    start_s = time.perf_counter()
    load = open_loop(
        lambda: session.submit(feeds),
        rate=rate,
        seconds=seconds,
        clock=time.perf_counter,
        sleep=time.sleep,
        watch=line.watch,
    )
    return Streamed(
        rate=rate,
        elapsed_s=load.elapsed_s,
        outputs=load.begun - load.failed,
        failed=load.failed,
        not_begun=load.intended - load.begun,
        outputs_per_s=load.outputs_per_s,
        p50_s=load.p50_s,
        p99_s=load.p99_s,
        stats=session.stats(since_s=start_s),
        error=load.error,
    )


class _Watched:
    """Says in a line what the latest inputs took."""

    def __init__(self, session: "Session", line: LiveLine) -> None:
        self._session = session
        self._line = line
        self._next_s = 0.0

    def watch(self) -> None:
        now_s = time.perf_counter()
        if not self._line.is_seen or now_s < self._next_s:
            return
        self._next_s = now_s + _RECENT_S / 8
        stats = self._session.stats(since_s=now_s - _RECENT_S)
        if stats.period_s:
            self._line.show(
                f"{1 / stats.period_s:.1f} inputs/s, p50 {units.seconds(stats.p50_s)}, "
                f"p99 {units.seconds(stats.p99_s)}, busiest: {stats.bottleneck}"
            )


def document(streamed: Streamed) -> dict[str, object]:
    stats = streamed.stats
    return {
        "loop": "closed" if streamed.rate is None else "open",
        "rate": streamed.rate,
        "elapsed_s": streamed.elapsed_s,
        "outputs": streamed.outputs,
        "failed": streamed.failed,
        "not_begun": streamed.not_begun,
        "outputs_per_s": streamed.outputs_per_s,
        "latency_s": {"p50": streamed.p50_s, "p99": streamed.p99_s},
        "period_s": stats.period_s,
        "planned_period_s": stats.planned_period_s,
        "bottleneck": stats.bottleneck,
        "stages": [
            {
                "name": stage.name,
                "replicas": stage.replicas,
                "busy": stage.busy,
                "call_s": {"p50": stage.p50_s, "p99": stage.p99_s},
                "batches": {str(size): calls for size, calls in stage.batches.items()},
            }
            for stage in stats.stages
        ],
    }


def _show(streamed: Streamed) -> None:
    stats = streamed.stats
    about = [f"{streamed.outputs} outputs in {units.seconds(streamed.elapsed_s)}"]
    if streamed.failed:
        about.append(f"{streamed.failed} inputs failed")
    say(f"{streamed.outputs_per_s:.1f} inputs/s ({', '.join(about)})")
    counted = "from when there was room" if streamed.rate is None else "from the intended start"
    p50, p99 = map(units.seconds, (streamed.p50_s, streamed.p99_s))
    say(f"latency p50 {p50}, p99 {p99}, {counted}")
    if streamed.not_begun:
        say(
            f"{streamed.not_begun} inputs were due and never begun: {streamed.rate:g} inputs/s are "
            "more than the plan takes here"
        )
    if stats.period_s:
        planned = stats.planned_period_s
        told = f", {units.seconds(planned)} planned" if planned else ""
        say(f"{units.seconds(stats.period_s)} from one output to the next{told}")
    for stage in stats.stages:
        sizes = ", ".join(f"{calls} of {size}" for size, calls in stage.batches.items())
        batches = f"; calls: {sizes} inputs" if max(stage.batches, default=1) > 1 else ""
        mark = (
            ", the bottleneck" if stage.name == stats.bottleneck and len(stats.stages) > 1 else ""
        )
        say(
            f"  {stage.name}: {stage.replicas} replica{'s' if stage.replicas > 1 else ''} "
            f"{stage.busy:.0%} busy{mark}, a call {units.seconds(stage.p50_s)} "
            f"(p99 {units.seconds(stage.p99_s)}){batches}"
        )
