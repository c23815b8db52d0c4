"""One account of time for every plan, and a Chrome trace that viewers can open."""

import json
from typing import Literal

import pytest

from stagecut.compiler.formats.chrome_trace import from_chrome, to_chrome
from stagecut.compiler.ir.errors import TraceError
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.trace import Event, Trace


def _event(
    track: str,
    start_s: float,
    wall_s: float,
    modelled_s: float | None = None,
    kind: Literal["stage", "copy"] = "stage",
    stage: int = 0,
) -> Event:
    basis: Basis = "measured" if modelled_s is None else "modelled"
    duration_s = wall_s if modelled_s is None else modelled_s
    return Event(f"on {track}", kind, track, basis, start_s, wall_s, duration_s, stage)


MEASURED = Trace((_event("cpu", 0.0, 2.0), _event("cpu", 2.0, 3.0, stage=1)), wall_s=5.5)
MIXED = Trace(
    (
        _event("cpu", 0.0, 2.0),
        _event("host>pim", 2.0, 1.0, 0.25, "copy", 1),
        _event("pim", 3.0, 6.0, 0.5, stage=1),
    ),
    wall_s=9.5,
)


def test_a_measured_run_takes_what_the_clock_said() -> None:
    assert MEASURED.latency_s == 5.5
    assert MEASURED.basis == "measured"


def test_modelled_parts_count_at_their_modelled_time_and_the_rest_stays() -> None:
    assert MIXED.latency_s == 2.0 + 0.25 + 0.5 + 0.5  # the last half is the executor's own
    assert MIXED.basis == "modelled"


def test_stage_times_leave_copies_out() -> None:
    assert MIXED.stage_s() == {0: 2.0, 1: 0.5}


def _spans(trace: Trace) -> list[tuple[str, float, float]]:
    """Track, start and length of every event."""
    records = json.loads(to_chrome(trace))["traceEvents"]
    tracks = {r["tid"]: r["args"]["name"] for r in records if r["name"] == "thread_name"}
    return [(tracks[r["tid"]], r["ts"], r["dur"]) for r in records if r["ph"] == "X"]


def test_chrome_events_follow_each_other_at_their_own_length() -> None:
    assert [span for span in _spans(MIXED) if span[0] != "run"] == [
        ("cpu", 0.0, 2e6),
        ("host>pim", 2e6, 0.25e6),
        ("pim", 2.25e6, 0.5e6),
    ]


def test_chrome_events_nest_inside_the_run() -> None:
    (_, start, length), *inside = [span for span in _spans(MIXED) if span[0] == "run"]
    assert (start, length) == (0.0, 3.25e6)
    assert [(at, took) for _, at, took in inside] == [(0.0, 2e6), (2e6, 0.25e6), (2.25e6, 0.5e6)]
    assert all(at + took <= start + length for _, at, took in inside)


def test_a_run_of_nothing_is_still_a_trace() -> None:
    assert _spans(Trace((), 1e-6)) == [("run", 0.0, 1.0)]


@pytest.mark.parametrize("trace", [MEASURED, MIXED, Trace((), 0.0)], ids=["real", "mixed", "empty"])
def test_what_is_written_is_read_back(trace: Trace) -> None:
    assert from_chrome(to_chrome(trace), "run.json") == trace


FOREIGN = {
    "no JSON": "}",
    "a list": "[]",
    "another tool's trace": '{"traceEvents": []}',
    "an event too poor": '{"stagecut.trace": {"events": [{"name": "x"}], "wall_s": 1}}',
    "cut short": to_chrome(MIXED)[:-9],
    "not text": b"\xff\xfe",
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_no_trace_is_refused(text: str | bytes) -> None:
    with pytest.raises(TraceError, match=r"run.json: is no trace of a plan's run"):
        from_chrome(text, "run.json")
