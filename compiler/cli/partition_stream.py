"""`stagecut partition --objective throughput`: what it prints, and how it checks."""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from stagecut.compiler.formats.stream_json import read_stream, stream_document
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.solution import meets
from stagecut.compiler.ir.stream import StreamAccount, StreamSchedule, stream_account
from stagecut.compiler.ir.units import seconds
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify


def solved(table: CostTable) -> tuple[dict[str, object], Iterator[str]]:
    """The fastest stream, for JSON and in lines."""
    start_s = perf_counter()
    solution = Throughput()(table)
    solve_s = perf_counter() - start_s
    document = stream_document(solution) | {"solve_s": solve_s}
    return document, _lines(solution.stream, solution.account, solution.certificate.claim, solve_s)


def checked(table: CostTable, path: Path) -> tuple[dict[str, object], Iterator[str]]:
    """What the certificate in a file proves of the stream in it; raises CertificateError where it
    proves nothing."""
    stream, certificate = read_stream(path, table)
    verify(table, certificate)
    account = stream_account(table, stream)
    best_s = certificate.period_s
    proves = f"nothing within {certificate.scope!r} has a period below {seconds(best_s)}"
    verdict = (
        "the stream has it"
        if meets(account.period_s, best_s)
        else (f"the stream's is {account.period_s / best_s - 1:.2%} longer")
    )
    document: dict[str, object] = {
        "accepted": True,
        "scope": certificate.scope,
        "least_period_s": best_s,
        "period_s": account.period_s,
    }
    return document, iter([f"certificate accepted: {proves}; {verdict}"])


def _lines(
    stream: StreamSchedule, account: StreamAccount, claim: str, solve_s: float
) -> Iterator[str]:
    rate = f"{account.inputs_per_s:.4g} inputs/s" if account.period_s else "no limit"
    yield f"{rate}, one every {seconds(account.period_s)}; {claim}"
    yield f"  latency at this rate  {seconds(account.latency_s)} ({account.basis})"
    for name, units in account.used.items():
        yield f"  {name}  {units} units"
    parts = zip(stream.schedule.stages, stream.replicas, account.stages, strict=True)
    for index, (stage, replicas, load) in enumerate(parts):
        batch = f", batch {load.batch}" if load.batch > 1 else ""
        nodes = f"{len(stage.nodes)} node{'s' if len(stage.nodes) > 1 else ''}"
        yield (
            f"  {replicas} x {stage.device}{batch}: {nodes} from {stage.nodes[0]}, "
            f"{seconds(load.call_s)} a call, {account.busy(index):.0%} busy"
        )
    yield f"solved in {seconds(solve_s)}; --json names every node and holds the proof"
