"""What a stage takes on a set of hosts, by eye; against every stream: test_over_hosts.py."""

from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.hosts_stages import HostsStages
from stagecut.passes.partition.throughput.lattice import Lattice
from tests.support.host_tables import chain, machine, with_parallel

LOCAL, FAR, BOTH = 0b01, 0b10, 0b11


def _stages(table: CostTable) -> HostsStages:
    return HostsStages(table, Lattice.of(Precedence.of(table), 100, 1000))


def test_rates_of_hosts_add_up_and_a_far_one_has_its_links() -> None:
    """Of one CPU each; a value takes 0.11 ms, and there is one each way."""
    stages = _stages(chain(machine(2, cpus=1), 10e-3))
    [[_, local_s, far_s, both_s]] = stages.periods_s(1)
    assert (local_s, far_s, both_s) == pytest.approx((10e-3, 10e-3, 5e-3))
    [[_, local_s, far_s, both_s]] = stages.latencies_s(1)
    assert (local_s, far_s, both_s) == pytest.approx((10e-3, 10.22e-3, 10.11e-3))
    [[_, *_, least_s]] = stages.least_latencies_s(1)
    assert least_s == pytest.approx(10.11e-3)  # the far one alone would be later


def test_nodes_take_what_they_do_while_all_hosts_work() -> None:
    """What links and calls take was measured so already."""
    stages = _stages(chain(machine(2, cpus=1, handling_s=2e-3, loaded_factor=1.5), 10e-3))
    assert stages.periods_s(1)[0, FAR] == pytest.approx(17e-3)
    assert stages.latencies_s(1)[0, FAR] == pytest.approx(15.22e-3)


def test_a_slow_link_is_the_period() -> None:
    stages = _stages(chain(machine(2, cpus=1, bytes_per_s=2e4), 10e-3))
    assert stages.periods_s(1)[0, FAR] == pytest.approx(50.1e-3)
    assert stages.periods_s(1)[0, LOCAL] == pytest.approx(10e-3)


def test_a_host_without_room_takes_for_ever() -> None:
    stages = _stages(chain(machine(2, capacity_bytes=5), 10e-3))
    assert np.isinf(stages.periods_s(1)).all()
    assert np.isinf(stages.least_latencies_s(1)).all()


def test_handling_calls_takes_the_time_of_the_host_and_of_the_driver() -> None:
    stages = _stages(chain(machine(2, cpus=1, handling_s=2e-3), 10e-3))
    assert stages.periods_s(1)[0, FAR] == pytest.approx(12e-3)
    rate = (1 - 2e-3 / 12e-3) / 10e-3 + 1 / 12e-3
    assert stages.periods_s(1)[0, BOTH] == pytest.approx(1 / rate)


def test_the_least_is_that_of_any_device() -> None:
    """8 inputs at once, of 8 ms each, or one after the other, of 2 ms; a value takes 0.11 ms."""
    table = with_parallel(chain(machine(2, cpus=8), 8e-3), 2e-3)
    stages = _stages(table)
    assert stages.periods_s(1)[0, [LOCAL, BOTH]] == pytest.approx([1e-3, 0.5e-3])
    assert stages.least_periods_s(1)[0] == pytest.approx(stages.periods_s(1)[0])
    assert stages.latencies_s(1)[0, [LOCAL, FAR]] == pytest.approx([8e-3, 8.22e-3])
    assert stages.least_latencies_s(1)[0, [LOCAL, FAR]] == pytest.approx([2e-3, 2.22e-3])
    quickest = replace(stages, prefers="quickest")
    assert quickest.periods_s(1)[0, LOCAL] == pytest.approx(2e-3)
    assert quickest.latencies_s(1)[0, BOTH] == pytest.approx(2.11e-3)


def test_any_devices_are_tried_where_they_may_take_less() -> None:
    """With 6 ms on the one device and 11 ms on the other, half of the inputs are 5 ms on a link."""
    table = with_parallel(chain(machine(2, cpus=1, bytes_per_s=1e5), 6e-3), 11e-3)
    most = _stages(table)
    assert most.periods_s(1)[0, BOTH] == pytest.approx(5.05e-3)
    least_s = most.least_periods_s(1)[0, BOTH]
    assert least_s < 4e-3
    tried = replace(most, prefers="any")
    better_s = 1 / (1 / 6e-3 + 1 / 11e-3)
    assert tried.periods_s(1)[0, BOTH] == pytest.approx(better_s)
    assert tried.least_periods_s(1)[0, BOTH] == pytest.approx(better_s)
    assert [each.name for each in tried.devices_for(1, 0, BOTH)] == ["cpu", "b.par"]
    untried = replace(tried, below_s=3e-3)
    assert untried.periods_s(1)[0, BOTH] == pytest.approx(5.05e-3)
    assert untried.least_periods_s(1)[0, BOTH] == least_s
