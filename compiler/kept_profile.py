"""What the parts of a program take, measured, or as it was in an earlier compile."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from stagecut.compiler.circumstances import quietest, tell_age
from stagecut.compiler.effort import PROFILE_ROUNDS
from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.provenance import Circumstances, ProfilePath
from stagecut.compiler.measure.cache import Cache, digest
from stagecut.compiler.measurements import Measurements
from stagecut.passes.profile.kinds import kinds_of
from stagecut.passes.profile.profile import Fault, OneOfEach, Profile, Profiled
from stagecut.passes.profile.reuse import measured_question, with_modelled
from stagecut.passes.profile.unrest import unrest

#: By the name that users know it by.
_PROFILE = "profile"

#: What real devices were measured to take, whatever is modelled beside them.
_MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """A profile as the cache holds it; the table in its file format."""

    costs: str
    paths: tuple[ProfilePath, ...]
    faults: tuple[Fault, ...]
    circumstances: Circumstances | None

    @classmethod
    def of(cls, profiled: Profiled) -> "KeptProfile":
        costs = write_costs(profiled.costs)
        return cls(costs, profiled.paths, profiled.faults, profiled.circumstances)

    @property
    def profiled(self) -> Profiled:
        return Profiled(read_costs(self.costs), self.paths, self.faults, self.circumstances)


def profile_of(measurements: Measurements, expanded: ExpandedGraph) -> Profiled:
    """Costs and paths, from the cache when they are there, without what is known to crash; states
    lie where they are read."""
    crashes = [
        Fault(crash.nodes[0], crash.device, str(crash))
        for crash in measurements.context.crashes
        if len(crash.nodes) == 1
        and not crash.asked
        and crash.device in expanded.candidates.get(crash.nodes[0], ())
    ]
    for fault in crashes:
        expanded = expanded.without(fault.node, fault.device, fault.reason)
    profiled = _profile(measurements, expanded)
    costs = measurements.with_residents(profiled.costs)
    return replace(profiled, costs=costs, faults=(*crashes, *profiled.faults))


def _profile(measurements: Measurements, expanded: ExpandedGraph) -> Profiled:
    settings, answers = measurements.context.settings, measurements.answers
    entries = Cache(settings.cache, _PROFILE, KeptProfile, settings.warn)
    modelled = _modelled(measurements, expanded)
    key = measurements.identity.key(str(expanded), settings.effort, *modelled)
    kept = entries.load(key)
    if kept is not None:
        tell_age(kept.circumstances, settings)
        return kept.profiled
    reused = _reused(measurements, expanded)
    if reused is not None:
        return reused
    rounds = PROFILE_ROUNDS[settings.effort]
    profile = Profile(
        measurements.context.backends,
        answers.build,
        settings.clock,
        settings.progress,
        rounds,
        OneOfEach(kinds_of(measurements.program), answers.values, measurements.weights.read),
    )
    found, known = quietest(
        _PROFILE,
        settings,
        lambda: profile(expanded, answers.extract, measurements.program.feeds),
        lambda found: unrest(found.costs),
    )
    profiled = replace(found, circumstances=known)
    if not known.noise:
        entries.store(key, KeptProfile.of(profiled))
        real = KeptProfile.of(_of_real(profiled))
        _measured(measurements).store(_measured_key(measurements, expanded), real)
    return profiled


def _measured(measurements: Measurements) -> Cache[KeptProfile]:
    settings = measurements.context.settings
    return Cache(settings.cache, _MEASURED, KeptProfile, settings.warn)


def _measured_key(measurements: Measurements, expanded: ExpandedGraph) -> str:
    """As that of a profile, without what is modelled."""
    real = {
        device.name: measurements.context.specs[device.name]
        for device in expanded.machine.devices
        if device.basis == "measured"
    }
    effort = measurements.context.settings.effort
    return digest(measurements.identity.of(real), measured_question(expanded), effort)


def _reused(measurements: Measurements, expanded: ExpandedGraph) -> Profiled | None:
    """The profile by what real devices were measured to take beside other modelled ones, where
    that is kept."""
    kept = _measured(measurements).load(_measured_key(measurements, expanded))
    if kept is None or not kept.paths:
        return None
    faults = tuple(
        fault for fault in kept.faults if fault.device in expanded.candidates.get(fault.node, ())
    )
    costs = with_modelled(read_costs(kept.costs), faults, expanded, measurements.context.backends)
    if costs is None:
        return None
    tell_age(kept.circumstances, measurements.context.settings)
    return Profiled(costs, kept.paths, faults, kept.circumstances)


def _modelled(measurements: Measurements, expanded: ExpandedGraph) -> Iterator[str]:
    """What the devices say of themselves: a model may change while its spec does not."""
    yield repr(expanded.machine)
    for node in expanded.graph.nodes:
        for name in expanded.candidates[node.name]:
            yield _answer(partial(measurements.context.backends[name].estimate, node))
    for value in expanded.graph.values:
        for backend in measurements.context.backends.values():
            for link in backend.links:
                yield _answer(partial(link.estimate, value))


def _of_real(profiled: Profiled) -> Profiled:
    """Without the faults of modelled devices, and what paths ran there: another time, others may
    have their names."""
    devices = profiled.costs.machine.devices
    real = {device.name for device in devices if device.basis == "measured"}
    faults = tuple(fault for fault in profiled.faults if fault.device in real)
    paths = (
        replace(path, devices={name: path.devices[name] for name in path.devices if name in real})
        for path in profiled.paths
    )
    return replace(profiled, faults=faults, paths=tuple(path for path in paths if path.devices))


def _answer(estimate: Callable[[], Estimate | None]) -> str:
    """What a device's model says, even if it is that it has no answer."""
    try:
        return repr(estimate())
    except EngineError as error:
        return str(error)
