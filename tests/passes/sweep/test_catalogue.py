"""One of several devices at a time."""

import pytest

from stagecut.compiler.ir.errors import DeviceError, UsageError
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.catalogue import Catalogue, only
from tests.support.tables import US, cost_table

DEVICES = {"cpu": "host", "small": "small", "large": "large"}
TABLE = cost_table(
    "a(x): cpu 9, small 4, large 1\n b(a): cpu 9, small 5, large 2",
    devices=DEVICES,
    inputs="x@host",
    outputs="b@host",
)


def test_each_entry_is_alone_beside_the_others() -> None:
    found = Catalogue(("small", "large"))(TABLE)
    assert [each.device for each in found] == ["", "small", "large"]
    totals_s = [each.solution.total_s for each in found]
    assert totals_s == pytest.approx([18 * US, 13 * US, 7 * US])
    assert [set(each.solution.assignment.devices.values()) for each in found] == [
        {"cpu"},
        {"small"},
        {"large"},
    ]


def test_where_the_others_cannot_run_all_there_is_nothing_to_compare_with() -> None:
    table = cost_table("a: cpu 9\n b(a): small 5, large 2", devices=DEVICES)
    assert [each.device for each in Catalogue(("small", "large"))(table)] == ["small", "large"]


def test_the_total_of_a_stream_is_not_known() -> None:
    with pytest.raises(UsageError, match="does not know the optimum of a stream"):
        Catalogue(("small",), THROUGHPUT)


def test_an_entry_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceError, match="there is no device 'huge'"):
        Catalogue(("huge",))(TABLE)


def test_a_table_without_a_device_knows_nothing_of_it() -> None:
    table = only(TABLE, ["cpu", "large"])
    assert [*table.machine.device_named] == ["cpu", "large"]
    assert [*table.machine.memory_named] == ["host", "large"]
    assert all("small" not in str(route) for value in table.values for route in value.transfer_s)
    assert Partition()(table).total_s == pytest.approx(7 * US)
