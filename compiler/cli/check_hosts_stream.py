"""`stagecut partition --objective throughput --check`, of streams over hosts.

stream.json      its stream by the table, and that no other undercuts the bound
a plan           those of each of its variants, by its own costs
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from stagecut.compiler.cli.limits import parse_seconds
from stagecut.compiler.cli.stream_verdict import Verdict, not_for_streams, told
from stagecut.compiler.cli.tables import Given
from stagecut.compiler.formats.hosts_stream_json import read_hosts_stream
from stagecut.compiler.formats.stream_json import misfits
from stagecut.compiler.ir.account import account_beyond_budgets
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CertificateError
from stagecut.compiler.ir.hosts_stream import HostsAccount, HostsStream, hosts_account
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.solution import Certificate, meets
from stagecut.compiler.ir.stream_certificate import (
    LATENCY,
    MEMORY,
    Limit,
    StreamScope,
    latency_limit,
)
from stagecut.compiler.ir.units import seconds
from stagecut.passes.partition.throughput.over_hosts import certificate
from stagecut.passes.partition.throughput.verify_hosts import verify_over_hosts


def checked(
    pairs: Sequence[tuple[CostTable, Given]],
) -> tuple[dict[str, object], Iterator[str]]:
    """What is proved of streams, each by a table: one, or those of all variants of a plan, for JSON
    and in lines. Raises CertificateError for the first that is not proved, or of which something
    else is said."""
    verdicts = [_of_file(*pair) if pair[1].variant is None else _of_plan(*pair) for pair in pairs]
    variants = [given.variant.planned for _, given in pairs if given.variant is not None]
    return told(verdicts, [planned.profiled for planned in variants])


def _of_file(table: CostTable, given: Given) -> Verdict:
    stored = read_hosts_stream(given.path, table)
    most = {limit.name: limit.most for limit in stored.limits}
    if MEMORY in most:
        table = replace(table, machine=table.machine.within(most[MEMORY]))
    account = _account(table, stored.stream)
    latency = latency_limit(stored.limits)
    known = certificate(account.period_s, stored.bound_s, stored.scope, latency)
    _agree(stored.misfit(account, known), given)
    verify_over_hosts(table, stored.bound_s, stored.scope, latency)
    return _verdict(known, account, stored.limits)


def _of_plan(table: CostTable, given: Given) -> Verdict:
    """What ships need not be the optimum that the certificate is about: it takes as long at
    least."""
    if given.variant is None or given.variant.planned.stream is None:
        raise not_for_streams(given.path)
    planned, stream = given.variant.planned, given.variant.planned.stream
    account = _account(table, HostsStream(planned.schedule, stream.places))
    latency, said = _latency(planned), planned.certificate
    known = certificate(said.total, said.lower_bound, _scope(said, given), latency)
    _agree(next(misfits(_figures(stream), _figures(account)), ""), given)
    _agree("" if said.claim == known.claim else "what it claims is not what follows", given)
    _agree("" if meets(said.total, account.period_s) else "its optimum is slower", given)
    verify_over_hosts(table, said.lower_bound, _scope(said, given), latency)
    return _verdict(known, account, () if latency is None else (latency,))


def _verdict(known: Certificate, account: HostsAccount, limits: tuple[Limit, ...]) -> Verdict:
    latency = latency_limit(limits)
    keeps = latency is None or latency.allows(account.latency_s)
    beyond = "" if keeps else f"takes {seconds(account.latency_s)} from end to end"
    return Verdict(known.scope, limits, known.lower_bound, account.period_s, beyond)


def _account(table: CostTable, stream: HostsStream) -> HostsAccount:
    account_beyond_budgets(table, stream.schedule)  # each node runs once, and in order
    return hosts_account(table, stream)


def _latency(planned: PlannedVariant) -> Limit | None:
    """That it was made within; what hosts may hold is in its costs."""
    most = planned.provenance.options.get(f"max {LATENCY}")
    return None if most is None else Limit(LATENCY, parse_seconds(most))


def _scope(said: Certificate, given: Given) -> StreamScope:
    if said.scope in ("schedules with contiguous stages", "contiguous stages in the graph's order"):
        return said.scope
    raise CertificateError(
        f"is about {said.scope!r}, and not about streams",
        where=str(given.path),
        fix="compile it again",
    )


def _figures(of: PlannedStream | HostsAccount) -> dict[str, object]:
    """What a plan says of a stream, as far as its account has it."""
    return {
        "period_s": of.period_s,
        "latency_s": of.latency_s,
        "busy": [*of.busy],
        "loads": {load.name: load.busy for load in of.loads},
    }


def _agree(misfit: str, given: Given) -> None:
    if misfit:
        raise CertificateError(
            f"what it says does not hold: {misfit}",
            where=str(given.path),
            fix="solve the table again, or compile the plan again",
        )
