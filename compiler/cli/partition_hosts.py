"""`stagecut partition --objective throughput`, of a table with several hosts: what it prints."""

from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

from stagecut.compiler.cli.partition_stream import rate
from stagecut.compiler.formats.hosts_stream_json import hosts_stream_document
from stagecut.compiler.ir.costs import ENERGY, CostTable
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.stream_certificate import LATENCY, MEMORY, Limit
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.report import wording
from stagecut.passes.partition.throughput.over_hosts import HostsSolution, ThroughputOverHosts


def has_hosts(table: CostTable) -> bool:
    return len(table.machine.hosts) > 1


def solved(table: CostTable, limits: tuple[Limit, ...]) -> tuple[dict[str, object], Iterator[str]]:
    """The fastest stream within the limits, for JSON and in lines."""
    most = {limit.name: limit for limit in limits}
    if ENERGY in most:
        raise refuse("--max-energy")
    if MEMORY in most:
        table = replace(table, machine=table.machine.within(most[MEMORY].most))
    start_s = perf_counter()
    solution = ThroughputOverHosts(most.get(LATENCY))(table)
    solve_s = perf_counter() - start_s
    found = (solution.stream, solution.account, solution.certificate)
    document = hosts_stream_document(*found, limits)
    return document | {"solve_s": solve_s}, _lines(solution, solve_s)


def refuse(asked: str) -> UsageError:
    return UsageError(
        f"{asked} is for streams on one host, and this table has several",
        where=asked,
        fix="leave it out",
    )


def _lines(solution: HostsSolution, solve_s: float) -> Iterator[str]:
    found, claim = solution.account, solution.certificate.claim
    yield f"{rate(found.period_s)}, one every {seconds(found.period_s)}; {claim}"
    yield f"  latency with no queue before it  {seconds(found.latency_s)} ({found.basis})"
    for load in found.loads:
        yield f"  {load.name}  {load.busy:.0%} busy"
    stages = zip(solution.stream.schedule.stages, solution.stream.places, found.busy, strict=True)
    for stage, places, busy in stages:
        nodes = wording.count(len(stage.nodes), "node")
        yield f"  {' + '.join(map(str, places))}: {nodes} from {stage.nodes[0]}, {busy:.0%} busy"
    yield f"solved in {seconds(solve_s)}; --json names every node"
