"""A bound of streams over hosts is believed where no stream undercuts it, and nowhere else."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import CertificateError, UnplaceableError
from stagecut.compiler.ir.machine import Host, Memory
from stagecut.compiler.ir.stream_certificate import Limit, StreamScope
from stagecut.passes.partition.throughput.over_hosts import ThroughputOverHosts
from stagecut.passes.partition.throughput.verify_hosts import verify_over_hosts
from tests.support.every_hosts_stream import every_account, within_limits
from tests.support.host_tables import chain, machine, tables

WHOLE: StreamScope = "schedules with contiguous stages"
IN_ORDER: StreamScope = "contiguous stages in the graph's order"


def test_replicas_on_all_hosts() -> None:
    table = chain(machine(), 10e-3, 20e-3)
    verify_over_hosts(table, 5e-3, WHOLE)
    verify_over_hosts(table, 5e-3, IN_ORDER)
    with pytest.raises(CertificateError, match=r"with a period below 5\.01 ms"):
        verify_over_hosts(table, 5.01e-3, WHOLE)


def test_a_stage_on_each_host() -> None:
    table = chain(machine(2, capacity_bytes=20, cpus=1), 1e-3, 2e-3, 3e-3)
    verify_over_hosts(table, 3e-3, WHOLE)
    with pytest.raises(CertificateError):
        verify_over_hosts(table, 3.01e-3, WHOLE)


def test_a_host_works_for_one_stage() -> None:
    """Else nothing would take longer than 2 ms."""
    verify_over_hosts(chain(machine(2, capacity_bytes=20, cpus=1), 2e-3, 2e-3, 2e-3), 4e-3, WHOLE)


def test_hosts_that_slow_each_other_down() -> None:
    """15 ms alone; together 11.25 ms, or 18.75 ms where each takes two and a half times as long."""
    table = chain(machine(2, cpus=1, loaded_factor=1.5), 15e-3)
    verify_over_hosts(table, 11.25e-3, WHOLE)
    with pytest.raises(CertificateError):
        verify_over_hosts(table, 11.26e-3, WHOLE)
    table = chain(machine(2, cpus=1, loaded_factor=2.5), 15e-3)
    verify_over_hosts(table, 15e-3, WHOLE)
    with pytest.raises(CertificateError):
        verify_over_hosts(table, 15.01e-3, WHOLE)


def test_within_a_limit_on_latency() -> None:
    table = chain(machine(2), 10e-3, 10e-3)
    verify_over_hosts(table, 10e-3, WHOLE, Limit("latency", 20.05e-3))
    with pytest.raises(CertificateError):
        verify_over_hosts(table, 10e-3, WHOLE)


def test_of_a_graph_that_is_too_wide_nothing_is_walked() -> None:
    of = machine(2)
    names = [f"n{at}" for at in range(70)]
    table = CostTable(
        "wide",
        of,
        tuple(ValueCosts(f"{name}'", 10) for name in names),
        tuple(
            NodeCosts(name, "Op", dict.fromkeys(["cpu", "b.cpu"], 1e-3), (), (f"{name}'",), 1)
            for name in names
        ),
        (),
        (),
    )
    with pytest.raises(CertificateError, match="more than 2000 sets of nodes"):
        verify_over_hosts(table, 1e-3, WHOLE)
    verify_over_hosts(table, 70e-3 / 4, IN_ORDER)


def test_hosts_on_which_nothing_can_run() -> None:
    of = machine(2)
    idle = replace(of, hosts=(*of.hosts, *(Host(f"idle{number}") for number in range(24))))
    verify_over_hosts(chain(idle, 10e-3, 10e-3), 5e-3, WHOLE)
    with pytest.raises(CertificateError, match="with a period below"):
        verify_over_hosts(chain(idle, 10e-3, 10e-3), 5.01e-3, WHOLE)


def test_of_too_many_hosts_nothing_is_walked() -> None:
    of, more = machine(2), [f"h{number}" for number in range(24)]
    hosts = (*of.hosts, *map(Host, more))
    memories = (*of.memories, *(Memory(name, None, name) for name in more))
    table = chain(replace(of, hosts=hosts, memories=memories), 10e-3, 10e-3)
    with pytest.raises(CertificateError, match="more than 6 hosts"):
        verify_over_hosts(table, 5e-3, WHOLE)


@given(tables())
@settings(max_examples=40, deadline=None)
def test_the_solver_s_bound_is_one_and_what_a_stream_undercuts_is_none(table: CostTable) -> None:
    best_s = min((each.period_s for each in every_account(table)), default=None)
    assume(best_s)
    certificate = ThroughputOverHosts()(table).certificate
    verify_over_hosts(table, certificate.lower_bound, WHOLE)
    with pytest.raises(CertificateError):
        verify_over_hosts(table, (best_s or 0.0) * 1.001, WHOLE)


@given(within_limits())
@settings(max_examples=40, deadline=None)
def test_of_all_devices_and_within_limits(
    drawn: tuple[CostTable, Limit | None, float],
) -> None:
    table, limit, best_s = drawn
    with pytest.raises(CertificateError):
        verify_over_hosts(table, best_s * 1.001, WHOLE, limit)
    try:
        certificate = ThroughputOverHosts(limit)(table).certificate
    except UnplaceableError as error:
        if "no stream was found" not in str(error):
            raise
        return
    verify_over_hosts(table, certificate.lower_bound, WHOLE, limit)


def test_what_is_proved_of_one_table_is_not_believed_of_a_faster_one() -> None:
    table = chain(machine(2, handling_s=1e-3), 10e-3, 5e-3)
    bound_s = ThroughputOverHosts()(table).certificate.lower_bound
    verify_over_hosts(table, bound_s, WHOLE)
    faster = [
        replace(node, run_s={name: time_s / 2 for name, time_s in node.run_s.items()})
        for node in table.nodes
    ]
    with pytest.raises(CertificateError):
        verify_over_hosts(replace(table, nodes=tuple(faster)), bound_s, WHOLE)
