"""No stream over hosts has a shorter period than what is proved, by looking at them all."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Host, Machine
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.throughput.over_hosts import MOST_HOSTS, ThroughputOverHosts
from tests.support.every_hosts_stream import every_account, within_limits
from tests.support.host_tables import (
    chain,
    machine,
    tables,
    with_a_memory_more,
    with_parallel,
)


def test_replicas_of_the_whole_where_it_fits() -> None:
    found = ThroughputOverHosts()(chain(machine(), 10e-3, 20e-3))
    assert str(found.stream) == "2 x cpu + 2 x b.cpu + 2 x c.cpu: a, b"
    assert found.account.period_s == pytest.approx(5e-3)
    assert found.certificate.exact


def test_a_stage_on_each_host_where_it_does_not() -> None:
    found = ThroughputOverHosts()(chain(machine(2, capacity_bytes=20, cpus=1), 1e-3, 2e-3, 3e-3))
    assert [stage.nodes for stage in found.stream.schedule.stages] == [("a", "b"), ("c",)]
    assert found.account.period_s == pytest.approx(3e-3)
    assert found.certificate.statement.startswith("optimal: no stream of contiguous stages")


def test_a_slow_link_is_what_sets_the_rate() -> None:
    slow = machine(2, bytes_per_s=1e4)
    found = ThroughputOverHosts()(chain(slow, 30e-3))
    assert str(found.stream) == "2 x cpu: a"  # a value takes 0.1 s


def test_hosts_that_slow_each_other_down_work_together_where_that_is_still_faster() -> None:
    """Of 1 CPU each: both are done with an input every 15 ms x 1.5 / 2, or 15 ms x 2.5 / 2."""
    found = ThroughputOverHosts()(chain(machine(2, cpus=1, loaded_factor=1.5), 15e-3))
    assert str(found.stream) == "1 x cpu + 1 x b.cpu: a"
    assert found.account.period_s == pytest.approx(11.25e-3)
    assert found.certificate.exact
    found = ThroughputOverHosts()(chain(machine(2, cpus=1, loaded_factor=2.5), 15e-3))
    assert str(found.stream) == "1 x cpu: a"
    assert found.account.period_s == pytest.approx(15e-3)
    assert found.certificate.exact


def test_within_a_limit_a_host_that_works_alone_is_sooner_done() -> None:
    """Together an input takes 22.5 ms, and less is not to be had but alone."""
    table = chain(machine(2, cpus=1, loaded_factor=1.5), 15e-3)
    found = ThroughputOverHosts(Limit("latency", 16e-3))(table)
    assert str(found.stream) == "1 x cpu: a"
    assert found.certificate.exact


def test_there_has_to_be_room() -> None:
    with pytest.raises(UnplaceableError, match="no room"):
        ThroughputOverHosts()(chain(machine(2, capacity_bytes=5), 1e-3))


def test_a_host_without_a_memory_runs_nothing() -> None:
    table = chain(machine(2), 10e-3, 20e-3)
    hosts = (*table.machine.hosts, Host("idle"))
    found = ThroughputOverHosts()(replace(table, machine=replace(table.machine, hosts=hosts)))
    assert str(found.stream) == str(ThroughputOverHosts()(table).stream)


def test_a_memory_of_a_host_that_is_not_there() -> None:
    table = chain(machine(2), 1e-3)
    alone = replace(table.machine, hosts=table.machine.hosts[:1])
    with pytest.raises(UnplaceableError, match="there is no host"):
        ThroughputOverHosts()(replace(table, machine=alone))


def test_a_host_with_two_memories_is_refused() -> None:
    """A stream on the device in the second would have nothing to transfer."""
    table = with_a_memory_more(chain(machine(2), 10e-3, 10e-3))
    with pytest.raises(UnplaceableError, match="'local' has the memories 'host' and 'pim'"):
        ThroughputOverHosts()(table)


def test_times_that_cannot_be_added_up() -> None:
    with pytest.raises(UnplaceableError, match="they come to 9e\\+18 s"):
        ThroughputOverHosts()(chain(machine(2), 9e18))


def test_of_many_hosts_it_is_said() -> None:
    table = chain(machine(), 1e-3)
    many = Machine(
        table.machine.memories,
        table.machine.devices,
        table.machine.links,
        tuple(Host(f"h{at}") for at in range(MOST_HOSTS + 1)),
        table.machine.resources,
    )
    with pytest.raises(UnplaceableError, match=f"made for {MOST_HOSTS}"):
        ThroughputOverHosts()(chain(many, 1e-3))


@given(tables())
@settings(max_examples=40, deadline=None)
def test_no_stream_is_faster_than_is_proved(table: CostTable) -> None:
    best_s = min((each.period_s for each in every_account(table)), default=None)
    if best_s is None:
        with pytest.raises(UnplaceableError):
            ThroughputOverHosts()(table)
        return
    found = ThroughputOverHosts()(table)
    assert found.certificate.lower_bound <= best_s * (1 + 1e-9)
    assert found.account.period_s >= best_s * (1 - 1e-9)
    if found.certificate.exact:
        assert found.account.period_s == pytest.approx(best_s)


@given(tables(), st.sampled_from([1.0, 1.3, 2.0]))
@settings(max_examples=30, deadline=None)
def test_no_stream_within_a_limit_is_faster_than_is_proved(table: CostTable, slack: float) -> None:
    every = [*every_account(table)]
    assume(every)
    most_s = slack * min(each.latency_s for each in every)
    limit = Limit("latency", most_s)
    best_s = min(each.period_s for each in every if limit.allows(each.latency_s))
    try:
        found = ThroughputOverHosts(limit)(table)
    except UnplaceableError as error:
        if "no stream was found" not in str(error):  # that there is none would be wrong
            raise
        return
    assert limit.allows(found.account.latency_s)
    assert found.certificate.lower_bound <= best_s * (1 + 1e-9)
    assert found.account.period_s >= best_s * (1 - 1e-9)
    assert f"within {limit}" in found.certificate.statement


def test_a_limit_on_latency_keeps_a_stream_on_the_host_where_inputs_start() -> None:
    """A value takes 0.11 ms each way: two hosts are faster, one is sooner done."""
    table = chain(machine(2), 10e-3, 10e-3)
    assert len(ThroughputOverHosts()(table).stream.places[0]) == 2
    found = ThroughputOverHosts(Limit("latency", 20.05e-3))(table)
    assert str(found.stream) == "2 x cpu: a, b"
    assert found.certificate.exact
    with pytest.raises(UnplaceableError, match="no stream is within"):
        ThroughputOverHosts(Limit("latency", 19e-3))(table)


def test_within_a_limit_a_host_may_work_with_another_device_than_its_fastest() -> None:
    """With 8 CPUs: 8 inputs at once, of 8 ms each, or one after the other, of 2 ms."""
    table = with_parallel(chain(machine(2, cpus=8), 8e-3), 2e-3)
    assert str(ThroughputOverHosts()(table).stream) == "8 x cpu + 8 x b.cpu: a"
    found = ThroughputOverHosts(Limit("latency", 4e-3))(table)
    assert str(found.stream) == "1 x par + 1 x b.par: a"
    with pytest.raises(UnplaceableError, match="no stream is within"):
        ThroughputOverHosts(Limit("latency", 1.9e-3))(table)


@given(within_limits())
@settings(max_examples=30, deadline=None)
def test_what_is_proved_is_of_all_devices(
    drawn: tuple[CostTable, Limit | None, float],
) -> None:
    table, limit, best_s = drawn
    try:
        found = ThroughputOverHosts(limit)(table)
    except UnplaceableError as error:
        if "no stream was found" not in str(error):
            raise
        return
    assert found.certificate.lower_bound <= best_s * (1 + 1e-9)
    if limit is None and not any(host.handling_s for host in table.machine.hosts):
        assert found.account.period_s == pytest.approx(best_s)


def test_with_a_slow_link_a_host_does_more_with_a_device_that_does_less() -> None:
    """Half of the inputs would be 5 ms on the link; of a third, hosts take longest."""
    table = with_parallel(chain(machine(2, cpus=1, bytes_per_s=1e5), 6e-3), 11e-3)
    found = ThroughputOverHosts()(table)
    assert str(found.stream) == "1 x cpu + 1 x b.par: a"
    assert found.certificate.exact
    best_s = min(each.period_s for each in every_account(table))
    assert found.account.period_s == pytest.approx(best_s)


def test_a_limit_on_memory_is_one_for_each_host() -> None:
    table = chain(machine(2, capacity_bytes=15), 10e-3, 10e-3)
    found = ThroughputOverHosts()(replace(table, machine=table.machine.within(10.0)))
    assert [len(stage.nodes) for stage in found.stream.schedule.stages] == [1, 1]
    for bounded, left in ((None, 12), (15, 12), (5, 5)):
        limited = machine(2, capacity_bytes=bounded).within(12.5)
        assert [memory.capacity_bytes for memory in limited.memories] == [left] * 2
