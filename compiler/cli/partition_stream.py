"""`stagecut partition --objective throughput`: what it prints."""

from collections.abc import Iterator
from time import perf_counter

from stagecut.compiler.formats.stream_json import front_document, stream_document
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.stream import StreamAccount, StreamSchedule, StreamSolution
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.ir.units import enough, scaled, seconds, size
from stagecut.compiler.report import wording
from stagecut.passes.partition.throughput.front import Front
from stagecut.passes.partition.throughput.throughput import Throughput


def solved(table: CostTable, limits: tuple[Limit, ...]) -> tuple[dict[str, object], Iterator[str]]:
    """The fastest stream within the limits, for JSON and in lines."""
    start_s = perf_counter()
    solution = Throughput(limits)(table)
    solve_s = perf_counter() - start_s
    document = stream_document(solution) | {"solve_s": solve_s}
    return document, _lines(solution.stream, solution.account, solution.certificate.claim, solve_s)


def front(table: CostTable, limits: tuple[Limit, ...]) -> tuple[dict[str, object], Iterator[str]]:
    """Throughput against latency, for JSON and in lines."""
    start_s = perf_counter()
    points = Front(limits)(table)
    solve_s = perf_counter() - start_s
    return front_document(points) | {"solve_s": solve_s}, _front_lines(points, solve_s)


def _lines(
    stream: StreamSchedule, account: StreamAccount, claim: str, solve_s: float
) -> Iterator[str]:
    yield f"{rate(account.period_s)}, one every {seconds(account.period_s)}; {claim}"
    yield f"  latency at this rate  {seconds(account.latency_s)} ({account.basis})"
    yield f"  memory  {size(account.memory_bytes)}, {size(account.weight_bytes)} of them weights"
    if account.energy_j is not None:
        yield f"  energy  {scaled(account.energy_j, 'J')} an input"
    for name, units in account.used.items():
        yield f"  {name}  {wording.count(units, 'unit')}"
    parts = zip(stream.schedule.stages, stream.replicas, account.stages, account.busy, strict=True)
    for stage, replicas, load, busy in parts:
        batch = f", batch {load.batch}" if load.batch > 1 else ""
        nodes = wording.count(len(stage.nodes), "node")
        yield (
            f"  {replicas} x {stage.device}{batch}: {nodes} from {stage.nodes[0]}, "
            f"{seconds(load.call_s)} a call, {busy:.0%} busy"
        )
    yield f"solved in {seconds(solve_s)}; --json names every node and holds the proof"


def _front_lines(points: tuple[StreamSolution, ...], solve_s: float) -> Iterator[str]:
    rows = [("throughput", "latency", "memory", "limit", "stages")] + [
        (
            rate(point.account.period_s),
            seconds(point.account.latency_s),
            size(point.account.memory_bytes),
            f"--max-latency {enough(point.account.latency_s)}",
            ", ".join(
                f"{count} x {stage.device}"
                for count, stage in zip(
                    point.stream.replicas, point.stream.schedule.stages, strict=True
                )
            ),
        )
        for point in points
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for *cells, stages in rows:
        aligned = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"{aligned}  {stages}"
    unproved = [point for point in points if point.certificate.open_gap]
    if unproved:
        yield f"{len(unproved)} of them are not proven optimal; --json says by how much"
    yield (
        f"no other stream is both faster and, by 1% or more, sooner done; solved in "
        f"{seconds(solve_s)}; --json holds each with its proof"
    )


def rate(period_s: float) -> str:
    """`412.5 inputs/s`"""
    return f"{1 / period_s:.4g} inputs/s" if period_s else "no limit"
