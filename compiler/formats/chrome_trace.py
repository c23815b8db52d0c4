"""Trace -> Chrome trace JSON, which ui.perfetto.dev and chrome://tracing open, and back.

    run          [ run                                   ]
                 [ stage 0 ][transfer][ stage 1 ]
    cpu          [ stage 0 ]
    pim                               [ stage 1 ]
    host>pim                [transfer]

The first track holds the whole run with its events nested inside; then every device and every
route has a track of its own. Times are shifted so that modelled parts take their modelled time. The
file also holds the trace itself under a key that viewers ignore; that is what is read back.

A plan over several hosts has one track for each host in the place of those of its devices.

A stream has a track for each replica of each stage:

    stage 0 on cpu.serial, replica 0   [ 2 inputs ][ 2 inputs ][ 1 input ]
    stage 0 on cpu.serial, replica 1        [ 1 input ][ 2 inputs ]

Of a plan over several hosts, hosts stand in the place of its stages.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from pydantic import TypeAdapter, ValidationError

from stagecut.compiler.ir.errors import TraceError
from stagecut.compiler.ir.recorded import Recorded
from stagecut.compiler.ir.stream_trace import StreamObserved, StreamTrace
from stagecut.compiler.ir.trace import Event, Trace

#: One entry of the format's list of events.
Record: TypeAlias = dict[str, object]

_RUN = "run"

#: The key under which the trace itself stands.
_SELF = "stagecut.trace"
_TRACE = TypeAdapter(Trace)

#: The key of what a stream came to.
_STREAM = "stagecut.stream"
_OBSERVED = TypeAdapter(StreamObserved)


def to_chrome(trace: Trace, host_of: Mapping[str, str] = MappingProxyType({})) -> str:
    """One process, times in microseconds from the start of the run. `host_of` has the host of each
    device, where a plan runs on several."""
    spans = [*_shifted(trace)]
    own = {event.track: host_of.get(event.track, event.track) for event in trace.events}
    routes = dict.fromkeys(event.track for event in trace.events if event.kind == "transfer")
    places = dict.fromkeys(own[event.track] for event in trace.events if event.kind == "stage")
    tracks = [_RUN, *places, *routes]
    end_s = max([trace.latency_s, *(start_s + event.duration_s for event, start_s in spans)])
    records = [
        *_names(tracks),
        _span(0, _RUN, _RUN, 0.0, end_s, {"basis": trace.basis}),
    ]
    for event, start_s in spans:
        facts: Record = {"basis": event.basis, "stage": event.stage}
        if own[event.track] != event.track:
            facts["device"] = event.track
        nested: Record = {**facts, "on": event.track}
        records += [
            _span(0, event.name, event.kind, start_s, event.duration_s, nested),
            _span(
                tracks.index(own[event.track]),
                event.name,
                event.kind,
                start_s,
                event.duration_s,
                facts,
            ),
        ]
    itself = _TRACE.dump_python(trace, mode="json")
    document = {"traceEvents": records, "displayTimeUnit": "ms", _SELF: itself}
    return json.dumps(document, indent=1)


def stream_to_chrome(trace: StreamTrace, observed: StreamObserved) -> str:
    """One process, times in microseconds from the start of the first call, as this machine's clock
    has them; and what the stream came to."""
    places = sorted({(call.stage, call.replica) for call in trace.calls})
    tracks = [f"{trace.stages[stage]}, replica {replica}" for stage, replica in places]
    zero_s = min((call.start_s for call in trace.calls), default=0.0)
    records = [*_names(tracks)]
    for call in trace.calls:
        count = f"{call.inputs} input{'' if call.inputs == 1 else 's'}"
        track = places.index((call.stage, call.replica))
        start_s = call.start_s - zero_s
        records.append(_span(track, count, "stage", start_s, call.took_s, {"stage": call.stage}))
    itself = _OBSERVED.dump_python(observed, mode="json")
    document = {"traceEvents": records, "displayTimeUnit": "ms", _STREAM: itself}
    return json.dumps(document, indent=1)


def from_chrome(text: str | bytes, where: str) -> Recorded:
    """The trace that `to_chrome` wrote, or what the stream came to of which `stream_to_chrome` did;
    raises TraceError, which names `where` it was."""
    try:
        document = TypeAdapter(dict[str, object]).validate_json(text)
        if _STREAM in document:
            return Recorded(stream=_OBSERVED.validate_python(document[_STREAM]))
        return Recorded(_TRACE.validate_python(document[_SELF]))
    except (ValidationError, KeyError):
        raise TraceError(
            "is no trace of a plan's run, or holds times that no run takes",
            where=where,
            fix="write one with `stagecut run PLAN --trace FILE`",
        ) from None


def _shifted(trace: Trace) -> Iterator[tuple[Event, float]]:
    """Each event with its start on the clock of the plan's accounting."""
    shift_s = 0.0
    for event in trace.events:
        yield event, event.start_s + shift_s
        shift_s += event.duration_s - event.wall_s


def _names(tracks: Sequence[str]) -> Iterator[Record]:
    yield {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "stagecut"}}
    for number, track in enumerate(tracks):
        named = {"ph": "M", "pid": 1, "tid": number}
        yield {**named, "name": "thread_name", "args": {"name": track}}
        yield {**named, "name": "thread_sort_index", "args": {"sort_index": number}}


def _span(
    track: int, name: str, kind: str, start_s: float, duration_s: float, facts: Record
) -> Record:
    return {
        "ph": "X",
        "pid": 1,
        "tid": track,
        "name": name,
        "cat": kind,
        "ts": start_s * 1e6,
        "dur": duration_s * 1e6,
        "args": facts,
    }
