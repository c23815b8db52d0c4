"""A compile for several hosts: the devices of this one, measured, and what others have of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from stagecut import backends
from stagecut.backends.checked import CheckedBackend
from stagecut.backends.elsewhere import elsewhere
from stagecut.backends.spec import Spec
from stagecut.compiler.context import CompileContext
from stagecut.compiler.decide_stream import DecideStream
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.measured_machine import MeasuredMachine, on_host
from stagecut.compiler.kept_profile import profile_of
from stagecut.compiler.measurements import Measurements
from stagecut.passes.expand import Expand
from stagecut.passes.profile.profile import Profiled
from stagecut.passes.widen import Widen


@dataclass(frozen=True)
class OverHosts:
    """`here` is the context of this host alone. It is asked once for each shape."""

    machine: MeasuredMachine
    here: CompileContext

    @cached_property
    def context(self) -> CompileContext:
        """With the devices of all hosts; raises DeviceError where others have none of them."""
        far = self._far
        if not far:
            raise DeviceError(
                "no other host has a device of this one",
                where="--machine",
                fix="name others with --device, or measure the hosts again with `stagecut hosts`",
            )
        specs = {name: str(spec) for name, (_, spec) in far.items()}
        engines = {name: engine for name, (engine, _) in far.items()}
        return replace(
            self.here,
            backends={**self.here.backends, **engines},
            specs={**self.here.specs, **specs},
        )

    def profile(self, measurements: Measurements, streamed: DecideStream | None) -> Profiled:
        """What this host takes, as measured, in streams where `streamed` is to tell; and what
        others take by that."""
        own = replace(measurements, context=self.here)
        expanded: ExpandedGraph = Expand(self.here.backends)(measurements.graph)
        profiled = profile_of(own, expanded)
        if streamed is not None:
            profiled = streamed.costs(own, expanded, profiled)
        return replace(profiled, costs=Widen(self.machine, backends.CPU)(profiled.costs))

    @cached_property
    def _far(self) -> Mapping[str, tuple[CheckedBackend, Spec]]:
        """The devices of other hosts, by their names in plans."""
        routes = [*self.machine.ways]
        found = {}
        for host in self.machine.others:
            for name, engine in self.here.backends.items():
                if not isinstance(engine, CheckedBackend) or engine.memory.name != HOST:
                    continue
                if self.machine.slowdown(host, name) is not None:
                    far = on_host(host.name, name)
                    spec = replace(Spec.parse(self.here.specs[name]), own=far)
                    found[far] = (elsewhere(engine, host, routes), spec)
        return found
