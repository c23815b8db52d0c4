"""A Chrome trace that viewers can open, and that reads back as the trace that it was."""

import json

import pytest

from stagecut.compiler.formats.chrome_trace import from_chrome, stream_to_chrome, to_chrome
from stagecut.compiler.ir.errors import TraceError
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.recorded import Recorded
from stagecut.compiler.ir.stream_trace import Call, StreamObserved, StreamTrace
from stagecut.compiler.ir.trace import Event, Trace

MEASURED = Trace(
    (
        Event("a", "stage", "measured", 0.0, 2.0, 2.0, 0, "cpu"),
        Event("b", "stage", "measured", 2.0, 3.0, 3.0, 1, "cpu"),
    ),
    wall_s=5.5,
)
OBSERVED = StreamObserved(("cpu",), "x 1x2", 40, 0.25, 0.5, 0.75, "stage 0 on cpu")
MIXED = Trace(
    (
        Event("a", "stage", "measured", 0.0, 2.0, 2.0, 0, "cpu"),
        Event("x", "transfer", "modelled", 2.0, 1.0, 0.25, 1, route=Route("host", "pim")),
        Event("b", "stage", "modelled", 3.0, 6.0, 0.5, 1, "pim"),
    ),
    wall_s=9.5,
    shapes="ids 1x128",
)


def _spans(trace: Trace) -> list[tuple[str, float, float]]:
    """Track, start and length of every event."""
    records = json.loads(to_chrome(trace))["traceEvents"]
    tracks = {r["tid"]: r["args"]["name"] for r in records if r["name"] == "thread_name"}
    return [(tracks[r["tid"]], r["ts"], r["dur"]) for r in records if r["ph"] == "X"]


def test_events_follow_each_other_at_their_own_length() -> None:
    assert [span for span in _spans(MIXED) if span[0] != "run"] == [
        ("cpu", 0.0, 2e6),
        ("host>pim", 2e6, 0.25e6),
        ("pim", 2.25e6, 0.5e6),
    ]


def test_events_nest_inside_the_run() -> None:
    (_, start, length), *inside = [span for span in _spans(MIXED) if span[0] == "run"]
    assert (start, length) == (0.0, 3.25e6)
    assert [(at, took) for _, at, took in inside] == [(0.0, 2e6), (2e6, 0.25e6), (2.25e6, 0.5e6)]
    assert all(at + took <= start + length for _, at, took in inside)


def test_devices_have_their_tracks_above_those_of_routes() -> None:
    records = json.loads(to_chrome(MIXED))["traceEvents"]
    tracks = [r["args"]["name"] for r in records if r["name"] == "thread_name"]
    assert tracks == ["run", "cpu", "pim", "host>pim"]


def test_several_hosts_have_a_track_each() -> None:
    text = to_chrome(MIXED, {"cpu": "local", "pim": "host-2"})
    records = json.loads(text)["traceEvents"]
    names = [r["args"]["name"] for r in records if r["name"] == "thread_name"]
    assert names == ["run", "local", "host-2", "host>pim"]
    assert {r["args"].get("device") for r in records if r.get("tid") == 2 and r["ph"] == "X"} == {
        "pim"
    }
    assert from_chrome(text, "run.json") == Recorded(MIXED)


def test_a_run_of_nothing_is_still_a_trace() -> None:
    assert _spans(Trace((), 1e-6)) == [("run", 0.0, 1.0)]


@pytest.mark.parametrize("trace", [MEASURED, MIXED, Trace((), 0.0)], ids=["real", "mixed", "empty"])
def test_what_is_written_is_read_back(trace: Trace) -> None:
    assert from_chrome(to_chrome(trace), "run.json") == Recorded(trace)


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


@pytest.mark.parametrize("time_s", [-1.0, 1e308, float("nan")])
def test_times_that_no_run_takes_are_refused(time_s: float) -> None:
    event = Event("a", "stage", "measured", 0.0, 2.0, time_s, 0, "cpu")
    with pytest.raises(TraceError, match="holds times that no run takes"):
        from_chrome(to_chrome(Trace((event,), 1.0)), "run.json")


def test_a_stream_has_a_track_for_each_replica() -> None:
    calls = (Call(0, 1, 1, 10.0, 11.0), Call(0, 0, 2, 10.5, 12.0), Call(1, 0, 1, 11.0, 12.5))
    records = json.loads(stream_to_chrome(StreamTrace(("a on cpu", "b on pim"), calls), OBSERVED))
    names = [r["args"]["name"] for r in records["traceEvents"] if r["name"] == "thread_name"]
    assert names == ["a on cpu, replica 0", "a on cpu, replica 1", "b on pim, replica 0"]
    spans = [
        (r["tid"], r["name"], r["ts"], r["dur"]) for r in records["traceEvents"] if r["ph"] == "X"
    ]
    assert spans == [
        (1, "1 input", 0.0, 1e6),
        (0, "2 inputs", 0.5e6, 1.5e6),
        (2, "1 input", 1e6, 1.5e6),
    ]


def test_a_stream_of_nothing() -> None:
    assert json.loads(stream_to_chrome(StreamTrace((), ()), OBSERVED))["traceEvents"]


def test_what_a_stream_came_to_is_read_back() -> None:
    text = stream_to_chrome(StreamTrace((), ()), OBSERVED)
    assert from_chrome(text, "stream.json") == Recorded(stream=OBSERVED)
    with pytest.raises(TraceError, match="no trace"):
        from_chrome(text.replace("0.25", "-0.25"), "stream.json")
