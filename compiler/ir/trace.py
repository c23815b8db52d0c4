"""What a run did and when: one event for each stage and copy, and the one account of its time."""

from dataclasses import dataclass
from typing import Literal

from stagecut.compiler.ir.machine import Basis


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
    """The events of one run in order; `wall_s` is the whole run on this machine's clock.

    `shapes` are those of the inputs, as `ids 1x128`; empty where the plan's own profile ran.
    """

    events: tuple[Event, ...]
    wall_s: float
    shapes: str = ""

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
