"""What a run did and when: one event for each step, and the one account of its time."""

from dataclasses import dataclass
from typing import Literal

from stagecut.compiler.ir.amounts import Amount, Count, Finite
from stagecut.compiler.ir.machine import Basis, Route, combined


@dataclass(frozen=True, slots=True)
class Event:
    """A step that was carried out: stage `stage` on `device`, or a transfer along `route`.

    `name` is the stage's program, or the value; a transfer's `stage` is the one that runs next, the
    last one where it is only handed back. `wall_s` is how long this machine was busy with it;
    `duration_s` is what it counts for: the same when it was measured, the device model's figure
    when it was modelled.
    """

    name: str
    kind: Literal["stage", "transfer"]
    basis: Basis
    start_s: Finite
    wall_s: Amount
    duration_s: Amount
    stage: Count
    device: str = ""
    route: Route | None = None

    @property
    def track(self) -> str:
        """The device, or the route as `source>target`."""
        return self.device if self.route is None else str(self.route)


@dataclass(frozen=True, slots=True)
class Trace:
    """The events of one run in order; `wall_s` is the whole run on this machine's clock.

    `shapes` are those of the inputs, as `ids 1x128`; empty where the plan's own profile ran.
    """

    events: tuple[Event, ...]
    wall_s: Amount
    shapes: str = ""

    @property
    def basis(self) -> Basis:
        return combined(event.basis for event in self.events)

    @property
    def latency_s(self) -> float:
        """The run's time: what the clock said, with modelled parts at their modelled time.

        The same account for every plan: a plan with no modelled part takes what the clock said.
        """
        return self.wall_s + sum(event.duration_s - event.wall_s for event in self.events)

    def stage_s(self) -> dict[int, float]:
        """What each stage took, by index, without its transfers."""
        return {event.stage: event.duration_s for event in self.events if event.kind == "stage"}
