"""What `stagecut run` says: some runs of one variant, step by step, as JSON and for people."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stagecut.compiler.cli.output import say
from stagecut.compiler.ir import units
from stagecut.compiler.ir.schedule import Run
from stagecut.compiler.ir.text import size_text
from stagecut.compiler.ir.trace import Event
from stagecut.compiler.measure.memory import resident

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Tensor
    from stagecut.compiler.ir.machine import Route
    from stagecut.compiler.ir.plan import PlannedRun, PlannedVariant
    from stagecut.compiler.ir.trace import Trace
    from stagecut.runtime.variant import Variant


@dataclass(frozen=True, slots=True)
class Step:
    """A step that ran; `stage` is its index in the plan. What was predicted of it, and what the
    gate observed, is None at shapes that were not profiled."""

    event: Event
    took_s: float
    stage: int
    nodes: int
    predicted_s: float | None = None
    observed_s: float | None = None

    @property
    def took(self) -> dict[str, float]:
        """`{"measured_s": 0.01}`"""
        return {f"{self.event.basis}_s": self.took_s}


@dataclass(frozen=True, slots=True)
class Runs:
    """Some runs of a variant on the same inputs."""

    variant: "Variant"
    feeds: "Mapping[str, Tensor]"
    traces: "Sequence[Trace]"

    @property
    def planned(self) -> "PlannedVariant":
        return self.variant.planned

    @property
    def profiled(self) -> bool:
        """Whether it was profiled with the shapes of these inputs."""
        return all(self.feeds[port.name].shape == port.shape for port in self.planned.inputs)

    @property
    def fallback(self) -> bool:
        fallback = self.planned.fallback
        programs = set() if fallback is None else {stage.program for stage in fallback.stages}
        return any(event.name in programs for event in self.traces[-1].events)

    @property
    def run(self) -> "PlannedRun":
        """What ran: the plan's own schedule, or its fallback's."""
        return (self.planned.fallback if self.fallback else None) or self.planned.run

    @property
    def latency_s(self) -> float:
        return statistics.median(trace.latency_s for trace in self.traces)

    @property
    def predicted_s(self) -> float | None:
        return self.run.account.latency_s if self.profiled else None

    @property
    def observed_s(self) -> float | None:
        """What the gate measured for the whole plan; of a stream that is from one output to the
        next, and says nothing of a run."""
        told = self.profiled and not self.fallback and self.planned.stream is None
        return self.planned.observed_s if told else None

    def steps(self) -> "Iterator[Step]":
        """Those of the last run, with the medians of all."""
        run, programs = self.run, [stage.program for stage in self.run.stages]
        predicted_s = _predicted_s(run)
        for events in zip(*(trace.events for trace in self.traces), strict=True):
            event, took_s = events[-1], statistics.median(each.duration_s for each in events)
            told: tuple[float | None, float | None]
            if event.kind == "transfer":
                told = (predicted_s[event.name, event.route], None)
                stage, nodes = event.stage, 0
            else:
                stage = programs.index(event.name)
                told = (predicted_s[stage], run.stages[stage].observed_s)
                nodes = len(run.schedule.stages[stage].nodes)
            yield Step(event, took_s, stage, nodes, *(told if self.profiled else ()))


def _predicted_s(run: "PlannedRun") -> "dict[int | tuple[str, Route | None], float]":
    """By stage, or by value and route."""
    return {
        step.stage if isinstance(step, Run) else (step.value, step.route): cost.time_s
        for step, cost in zip(run.schedule.steps, run.account.steps, strict=True)
    }


def document(
    runs: Runs, outputs: "Mapping[str, Tensor]", files: Mapping[str, Path]
) -> dict[str, object]:
    latencies_s = [trace.latency_s for trace in runs.traces]
    planned, steps = runs.planned, list(runs.steps())
    return {
        "outputs": {
            port.name: {
                "dtype": port.dtype,
                "shape": list(outputs[port.name].shape),
                "file": str(files[port.name]) if port.name in files else None,
            }
            for port in planned.outputs
        },
        "shapes": {port.name: list(runs.feeds[port.name].shape) for port in planned.inputs},
        "profiled_shapes": {port.name: list(port.shape) for port in planned.inputs},
        "latency_s": {
            "median": runs.latency_s,  # as below: it stands first
            "min": min(latencies_s),
            "max": max(latencies_s),
            **latency_figures(latencies_s),
        },
        "peak_memory_bytes": resident().peak_bytes,
        "basis": runs.traces[-1].basis,
        "predicted_s": runs.predicted_s,
        "observed_s": runs.observed_s,
        "fallback": runs.fallback,
        "stages": [
            {
                "index": step.stage,
                "device": step.event.device,
                "predicted_s": step.predicted_s,
                "observed_s": step.observed_s,
                **step.took,
            }
            for step in steps
            if step.event.kind == "stage"
        ],
        "transfers": [
            {
                "value": step.event.name,
                "route": step.event.track,
                "before_stage": step.stage,
                "predicted_s": step.predicted_s,
                **step.took,
            }
            for step in steps
            if step.event.kind == "transfer"
        ],
    }


def show(runs: Runs, outputs: "Mapping[str, Tensor]", files: Mapping[str, Path]) -> None:
    for name, array in outputs.items():
        written = f" -> {files[name]}" if name in files else ""
        say(f"output {name}: {array.dtype} {size_text(array.shape)}{written}")
    count = len(runs.traces)
    about = [runs.traces[-1].basis, f"median of {count} runs" if count > 1 else "one run"]
    about += _expected(runs.observed_s, runs.predicted_s)
    say(f"latency {units.seconds(runs.latency_s)} ({', '.join(about)})")
    if count > 1:
        figures = latency_figures([trace.latency_s for trace in runs.traces])
        p90, p99 = (units.seconds(figures[name]) for name in ("p90", "p99"))
        peak = units.size(resident().peak_bytes)
        say(f"  p90 {p90}, p99 {p99}; at most {peak} of memory, with engines")
    if not runs.profiled:
        say(f"not profiled at these shapes; the plan is that for {runs.planned.profiled}")
    for step in runs.steps():
        about = [f"{units.seconds(step.took_s)} {step.event.basis}"]
        about += _expected(step.observed_s, step.predicted_s)
        what = f"transfer of {step.event.name}, {step.event.track}"
        if step.event.kind == "stage":
            what = f"stage {step.stage} on {step.event.device}"
            about.append(f"{step.nodes} nodes")
        say(f"  {what}: {', '.join(about)}")


def latency_figures(times_s: Sequence[float]) -> dict[str, float]:
    """What JSON says of how long some runs took, in seconds, and how many there were."""
    return {
        "median": statistics.median(times_s),
        "p90": _quantile(times_s, 0.90),
        "p99": _quantile(times_s, 0.99),
        "runs": len(times_s),
    }


def _quantile(times_s: Sequence[float], part: float) -> float:
    """The least of the times that no less than `part` of them are at or below."""
    ranked = sorted(times_s)
    return ranked[max(0, math.ceil(part * len(ranked)) - 1)]


def _expected(observed_s: float | None, predicted_s: float | None) -> Iterator[str]:
    if observed_s is not None:
        yield f"{units.seconds(observed_s)} when compiled"
    if predicted_s is not None:
        yield f"{units.seconds(predicted_s)} predicted"
