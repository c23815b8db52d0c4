"""What a run did and when: one event for each stage and copy, and the one account of its time."""

import json
from dataclasses import dataclass
from typing import Literal

from stagecut.compiler.machine import Basis


@dataclass(frozen=True, slots=True)
class Event:
    """Something that took time. `track` is the device, or the link as `source>target`.

    `wall_s` is how long this machine was busy with it; `duration_s` is what it counts for: the
    same when it was measured, the device model's figure when it was modelled.
    """

    name: str
    kind: Literal["stage", "copy"]
    track: str
    basis: Basis
    start_s: float
    wall_s: float
    duration_s: float
    stage: int


@dataclass(frozen=True, slots=True)
class Trace:
    """The events of one run in order; `wall_s` is the whole run on this machine's clock."""

    events: tuple[Event, ...]
    wall_s: float

    @property
    def basis(self) -> Basis:
        return "modelled" if any(event.basis == "modelled" for event in self.events) else "measured"

    @property
    def latency_s(self) -> float:
        """The run's time: what the clock said, with modelled parts at their modelled time.

        The same account for every plan: a plan with no modelled part takes what the clock said.
        """
        return self.wall_s + sum(event.duration_s - event.wall_s for event in self.events)

    def stage_s(self) -> dict[int, float]:
        """What each stage took, by index, without its copies."""
        return {event.stage: event.duration_s for event in self.events if event.kind == "stage"}

    def chrome(self) -> str:
        """The run as Chrome trace JSON (chrome://tracing, ui.perfetto.dev), one track per device.

        Times are shifted so that modelled parts take up their modelled time.
        """
        tracks = list(dict.fromkeys(event.track for event in self.events))
        records: list[dict[str, object]] = [
            {"ph": "M", "pid": 1, "tid": number, "name": "thread_name", "args": {"name": track}}
            for number, track in enumerate(tracks)
        ]
        shift_s = 0.0
        for event in self.events:
            records.append(
                {
                    "ph": "X",
                    "pid": 1,
                    "tid": tracks.index(event.track),
                    "name": event.name,
                    "cat": event.kind,
                    "ts": (event.start_s + shift_s) * 1e6,
                    "dur": event.duration_s * 1e6,
                    "args": {"basis": event.basis, "stage": event.stage},
                }
            )
            shift_s += event.duration_s - event.wall_s
        return json.dumps({"traceEvents": records, "displayTimeUnit": "ms"}, indent=1)
