"""One account of time for every plan: what the clock said, with modelled parts at their model's."""

from stagecut.compiler.ir.machine import Basis, Route
from stagecut.compiler.ir.trace import Event, Trace


def _stage(
    index: int, start_s: float, wall_s: float, modelled_s: float | None = None, device: str = "cpu"
) -> Event:
    basis: Basis = "measured" if modelled_s is None else "modelled"
    duration_s = wall_s if modelled_s is None else modelled_s
    name = f"stage-{index:03}"
    return Event(name, "stage", basis, start_s, wall_s, duration_s, index, device=device)


MEASURED = Trace((_stage(0, 0.0, 2.0), _stage(1, 2.0, 3.0)), wall_s=5.5)
TRANSFER = Event("x", "transfer", "modelled", 2.0, 1.0, 0.25, 1, route=Route("host", "pim"))
MIXED = Trace((_stage(0, 0.0, 2.0), TRANSFER, _stage(1, 3.0, 6.0, 0.5, "pim")), wall_s=9.5)


def test_a_measured_run_takes_what_the_clock_said() -> None:
    assert MEASURED.latency_s == 5.5
    assert MEASURED.basis == "measured"


def test_modelled_parts_count_at_their_modelled_time_and_the_rest_stays() -> None:
    assert MIXED.latency_s == 2.0 + 0.25 + 0.5 + 0.5  # the last half is the executor's own
    assert MIXED.basis == "modelled"


def test_stage_times_leave_transfers_out() -> None:
    assert MIXED.stage_s() == {0: 2.0, 1: 0.5}


def test_an_event_stands_on_the_track_of_its_device_or_its_route() -> None:
    assert [event.track for event in MIXED.events] == ["cpu", "host>pim", "pim"]


def test_a_run_of_nothing_is_still_a_trace() -> None:
    empty = Trace((), 1e-6)
    assert (empty.latency_s, empty.basis, empty.stage_s()) == (1e-6, "measured", {})
