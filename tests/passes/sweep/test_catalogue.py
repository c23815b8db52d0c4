"""One of several devices at a time."""

import numpy as np
import pytest

from stagecut.compiler.ir.errors import DeviceError, UsageError
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.catalogue import Catalogue, front, only
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
    solutions = [each.solution for each in found if each.solution is not None]
    totals_s = [each.total_s for each in solutions]
    assert totals_s == pytest.approx([18 * US, 13 * US, 7 * US])
    assert [set(each.assignment.devices.values()) for each in solutions] == [
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


def test_what_is_no_better_for_more_is_skipped_and_on_no_front() -> None:
    """The large one takes 7 us; one that costs more and takes 8 us at least need not be solved."""
    devices = {**DEVICES, "dear": "dear"}
    table = cost_table(
        "a(x): cpu 9, small 4, large 1, dear 3\n b(a): cpu 9, small 5, large 2, dear 5",
        devices=devices,
        inputs="x@host",
        outputs="b@host",
    )
    found = Catalogue(("dear", "large", "small"), prices=(30.0, 20.0, 10.0))(table)
    assert [(each.device, each.price) for each in found] == [
        ("", 0.0),
        ("dear", 30.0),
        ("large", 20.0),
        ("small", 10.0),
    ]
    assert [each.solution is None for each in found] == [False, True, False, False]
    assert found[1].bound == pytest.approx(8 * US)
    assert front(found) == ("", "small", "large")


@pytest.mark.parametrize("seed", range(25))
def test_the_front_is_that_of_brute_force(seed: int) -> None:
    """Whatever is skipped: solved all the same, it would not be on it."""
    dice = np.random.default_rng(seed)
    devices = {"cpu": "host"} | {f"d{at}": f"d{at}" for at in range(5)}
    lines = (
        f"n{at}({f'n{at - 1}' if at else 'x'}): "
        + ", ".join(f"{name} {dice.integers(1, 10)}" for name in devices)
        for at in range(4)
    )
    table = cost_table("\n".join(lines), devices=devices, inputs="x@host", outputs="n3@host")
    entries = tuple(devices)[1:]
    prices = tuple(float(dice.integers(1, 5)) for _ in entries)
    price_of = {"": 0.0, **dict(zip(entries, prices, strict=True))}
    total_of = {
        entry: Partition()(only(table, ["cpu", entry])).certificate.total for entry in price_of
    }
    kept = set(front(Catalogue(entries, prices=prices)(table)))
    best = {
        (price_of[entry], total_of[entry])
        for entry in price_of
        if not any(
            price_of[other] <= price_of[entry]
            and total_of[other] <= total_of[entry]
            and (price_of[other], total_of[other]) != (price_of[entry], total_of[entry])
            for other in price_of
        )
    }
    assert {(price_of[entry], total_of[entry]) for entry in kept} == best
    assert len(kept) == len(best)
