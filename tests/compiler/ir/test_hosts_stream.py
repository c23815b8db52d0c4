"""What a stream over hosts comes to: a table to check by eye, and what is none."""

import pytest

from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.hosts_stream import HostsStream, Place, hosts_account, most_replicas
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.transfers import scheduled
from tests.support.host_tables import chain, machine, with_a_memory_more

TABLE = chain(machine(handling_s=1e-3), 10e-3, 20e-3)
WHOLE, ONE, OTHER = ("a", "b"), ("a",), ("b",)


def _stream(*stages: tuple[tuple[str, ...], tuple[Place, ...]]) -> HostsStream:
    schedule = scheduled(TABLE, [Stage(places[0].device, nodes) for nodes, places in stages])
    return HostsStream(schedule, tuple(places for _, places in stages))


def test_rates_of_a_stage_s_places_add_up() -> None:
    found = hosts_account(TABLE, _stream((WHOLE, (Place("b.cpu", 2), Place("c.cpu", 1)))))
    assert found.period_s == pytest.approx(31e-3 / 3)
    assert found.busy == (1.0,)
    loads = {each.name: each.busy * found.period_s for each in found.loads}
    assert loads["the driver"] == pytest.approx(1e-3)
    assert loads["the link out of local"] == pytest.approx(1e-4 + 1e-5)
    assert loads["the link into b"] == pytest.approx((1e-4 + 1e-5) * 2 / 3)


def test_the_driver_s_host_has_less_time_for_its_own_stage() -> None:
    found = hosts_account(TABLE, _stream((WHOLE, (Place("cpu", 2), Place("b.cpu", 2)))))
    far = 2 / 31e-3
    here = 2 / 30e-3 * (1 - far * 1e-3 / 2)
    assert found.period_s == pytest.approx(1 / (far + here))


def test_stages_are_a_pipeline_and_the_slowest_sets_the_period() -> None:
    found = hosts_account(
        TABLE, _stream((ONE, (Place("b.cpu", 1),)), (OTHER, (Place("c.cpu", 1),)))
    )
    assert found.stage_s == pytest.approx((11e-3, 21e-3))
    assert found.period_s == pytest.approx(21e-3)
    assert found.latency_s == pytest.approx(30e-3 + 3 * (1e-4 + 1e-5))
    assert str(_stream((ONE, (Place("b.cpu", 1),)), (OTHER, (Place("c.cpu", 1),)))) == (
        "1 x b.cpu: a\n1 x c.cpu: b"
    )


def test_hosts_that_work_at_a_time_slow_each_other_down() -> None:
    """One that works alone takes what it was measured to; handling calls is as it was measured."""
    table = chain(machine(handling_s=1e-3, loaded_factor=1.5), 10e-3, 20e-3)
    both = _stream((ONE, (Place("b.cpu", 1),)), (OTHER, (Place("c.cpu", 1),)))
    found = hosts_account(table, both)
    assert found.stage_s == pytest.approx((16e-3, 31e-3))
    assert found.latency_s == pytest.approx(45e-3 + 3 * (1e-4 + 1e-5))
    for device, handled_s in (("cpu", 0.0), ("b.cpu", 1e-3)):
        alone = hosts_account(table, _stream((WHOLE, (Place(device, 1),))))
        assert alone.period_s == pytest.approx(30e-3 + handled_s)


WRONG: dict[str, tuple[HostsStream, type[Exception], str]] = {
    "a host for two stages": (
        _stream((ONE, (Place("b.cpu", 1),)), (OTHER, (Place("b.cpu", 1),))),
        ScheduleError,
        "two stages",
    ),
    "more replicas than cores": (
        _stream((WHOLE, (Place("b.cpu", 3),))), ScheduleError, "more than there are cores"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("stream", "error", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_no_machine_does_is_refused(
    stream: HostsStream, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        hosts_account(TABLE, stream)


def test_each_replica_has_weights_of_its_own() -> None:
    table = chain(machine(capacity_bytes=30), 10e-3, 20e-3)
    device = table.machine.device("b.cpu")
    assert most_replicas(table, device, 20) == 1
    assert most_replicas(table, device, 15) == 2
    stream = HostsStream(
        scheduled(table, [Stage("b.cpu", WHOLE)]), ((Place("b.cpu", 2),),)
    )  # fmt: skip
    with pytest.raises(AssignmentError, match="do not fit"):
        hosts_account(table, stream)


def test_a_host_with_two_memories_is_none() -> None:
    """What goes from one to the other would cost nothing."""
    stream = _stream((WHOLE, (Place("cpu", 2),)))
    with pytest.raises(ScheduleError, match="host local: has several memories"):
        hosts_account(with_a_memory_more(TABLE), stream)
