"""How long a compile would take, from a few small programs that are prepared and run here.

read       the model, and what devices say of its nodes: what it has just taken
write      the weights, by what a few of them take
profile    the stages of each path prepared, then rounds of runs
gate       each contender prepared, held against the reference, then rounds of runs

What a stage takes follows from its operators, the size of its weights and its arithmetic, at the
pace of its device (`Pace`). Rounds are those of rounds.py, played with a clock that goes on by what
runs would take. Left out are the search for the optimum, which is mostly short, and all that comes
of faults.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from stagecut import backends
from stagecut.compiler.circumstances import ATTEMPTS
from stagecut.compiler.context import Effort
from stagecut.compiler.effort import GATE_ROUNDS, PROFILE_ROUNDS
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.ir.device import Backend, silent
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.pace import WEIGHT_BYTES, Pace, pace_of, product, timed, weight_bytes
from stagecut.compiler.rehearsal import Rehearsal, Rehearsed
from stagecut.passes.gate.alone import most_behind
from stagecut.passes.gate.further_inputs import MOST_SETS
from stagecut.passes.profile.rounds import Rounds, interleave


@dataclass(frozen=True, slots=True)
class ExpectedTime:
    """In seconds, by the phases of a compile; `again_s` is what measuring takes once more where
    other work disturbs it, as often as the effort allows. `uncounted` are the devices that are not
    in it."""

    read_s: float
    write_s: float
    profile_s: float
    gate_s: float
    again_s: float
    uncounted: tuple[str, ...] = ()

    @property
    def about_s(self) -> float:
        return self.read_s + self.write_s + self.profile_s + self.gate_s

    @property
    def most_s(self) -> float:
        return self.about_s + self.again_s


def expected_time(
    rehearsal: Rehearsal, effort: Effort, clock: Callable[[], float] = perf_counter
) -> ExpectedTime:
    """Of a compile for latency or energy, in the model's own precision."""
    write_byte_s = _write_byte_s(clock)
    engines = rehearsal.engines.items()
    paces = {name: pace for name, engine in engines for pace in _paces(engine, clock)}
    uncounted = tuple(name for name in rehearsal.engines if name not in paces)
    load_s = sum(pace.load_s for pace in paces.values())
    profile_s = gate_s = again_s = write_s = 0.0
    for part in rehearsal.parts:
        write_s += write_byte_s * weight_bytes(part.expanded.graph.nodes)
        profile_s += (path_s := _profile_s(part, paces, PROFILE_ROUNDS[effort]))
        prepared_s, raced_s = _gate_s(part, paces, rehearsal.engines, effort)
        gate_s += prepared_s + raced_s
        again_s += (ATTEMPTS[effort] - 1) * (path_s + raced_s)
    profile_s += load_s
    return ExpectedTime(rehearsal.read_s, write_s, profile_s, gate_s, again_s, uncounted)


def _profile_s(part: Rehearsed, paces: Mapping[str, Pace], rounds: Rounds) -> float:
    """Each path has a stage for each node, and runs once before it is timed."""
    prepared_s, runs_s = 0.0, []
    for path in part.paths:
        placed = [(paces.get(path.assignment[node.name]), node) for node in part.part.graph.nodes]
        known = [(pace, node) for pace, node in placed if pace is not None]
        prepared_s += sum(pace.prepare_s([node]) for pace, node in known)
        runs_s.append(sum(pace.run_s([node]) for pace, node in known))
    return prepared_s + sum(runs_s) + played_s(runs_s, rounds, known=False)


def _gate_s(
    part: Rehearsed, paces: Mapping[str, Pace], engines: Mapping[str, Backend], effort: Effort
) -> tuple[float, float]:
    """Preparing and checking the contenders: the optimum, taken to be as fast as the fastest, and
    every device that runs all; and the race, with those that differ in configuration."""
    nodes = part.expanded.graph.nodes
    able = [name for name in paces if part.takes(name) == len(nodes)]
    if not able:
        return 0.0, 0.0
    runs_s = {name: paces[name].run_s(nodes) for name in able}
    field = [min(able, key=runs_s.__getitem__), *able]
    checks_s = {
        name: paces[name].prepare_s(nodes) + MOST_SETS * run_s for name, run_s in runs_s.items()
    }
    rounds = GATE_ROUNDS[effort]
    offered = [] if effort == "quick" else [*_configured(able, runs_s, engines)]
    once = replace(rounds, least=1, most=1)
    first_s = played_s([runs_s[name] for name in field], once, known=True) if offered else 0.0
    again_s = sum(checks_s[name] for name in offered)
    raced_s = played_s([runs_s[name] for name in (*field, *offered)], rounds, known=True)
    return sum(checks_s[name] for name in field), first_s + again_s + raced_s


def _configured(
    able: Sequence[str], runs_s: Mapping[str, float], engines: Mapping[str, Backend]
) -> Iterator[str]:
    """A device for each of its configurations, where it may be near the fastest."""
    best_s = min(runs_s.values())
    for name in able:
        if runs_s[name] <= most_behind(best_s) * best_s:
            yield from (name for _ in backends.configurations(engines[name]))


def played_s(runs_s: Sequence[float], rounds: Rounds, *, known: bool) -> float:
    """How long rounds of tasks go on that take so long each, where nothing is decided earlier;
    `known` where that is known of them when the rounds begin."""
    now_s = 0.0

    def task(run_s: float) -> Callable[[bool], None]:
        def run(_: bool) -> None:
            nonlocal now_s
            now_s += run_s

        return run

    tasks, took_s = [*map(task, runs_s)], runs_s if known else ()
    interleave(tasks, rounds, lambda: now_s, silent, "", took_s=took_s)
    return now_s


def _paces(engine: Backend, clock: Callable[[], float]) -> Iterator[Pace]:
    """None of a device that cannot run such programs. Contenders on modelled ones run, too."""
    with suppress(StagecutError):
        yield pace_of(engine, clock)


def _write_byte_s(clock: Callable[[], float]) -> float:
    """What a byte of weights takes to be written and checked."""
    with tempfile.TemporaryDirectory() as folder:
        model = product().model
        return timed(clock, lambda: write_weights([model], Path(folder))) / WEIGHT_BYTES
