"""What every step of a compile shares: the program, its weights on disk, the engines, the cache."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import onnx_ir as ir
from pydantic import TypeAdapter

from stagecut.backends import create
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Backend, Tensor
from stagecut.compiler.ir.errors import EngineError, ToleranceError
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import OutputError, ProfilePath, Provenance
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Runner, Stage
from stagecut.compiler.measure.cache import Cache, digest
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.crash_journal import Notes
from stagecut.compiler.measure.environment import cpu_model, versions
from stagecut.passes.gate.accuracy import output_errors, worst
from stagecut.passes.gate.contenders import Entry
from stagecut.passes.gate.gate import Compared, Gate
from stagecut.passes.profile.profile import Fault, Profile, Profiled
from stagecut.passes.stage.extract import Cutter
from stagecut.passes.stage.stage import StageNodes
from stagecut.runtime.executor import Executor


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """A profile as the cache holds it; the table in its file format."""

    costs: str
    paths: tuple[ProfilePath, ...]
    faults: tuple[Fault, ...]


class Workbench:
    """One program laid out for work: the steps that need engines, weights or the cache.

    The file of `weights` must outlive the bench.
    """

    def __init__(
        self,
        program: Program,
        graph: Graph,
        *,
        engines: Mapping[str, Backend],
        specs: Mapping[str, str],
        weights: WeightFile,
        settings: Settings,
    ) -> None:
        self.cut = Cutter(program, weights)
        self._graph = graph
        self._program = program
        self._engines = engines
        self._specs = specs
        self._settings = settings
        self._notes = None if settings.notes is None else Notes(settings.notes)
        self._crashes = self._notes.crashes() if self._notes else ()
        whole = graph_of(program)  # before operators were merged, which depends on the devices
        self._whole = self.cut("model", whole.nodes, whole.outputs)
        self._model_sha256 = digest(model_bytes(self._whole.model), weights.sha256)

    def build(self, stages: Sequence[Stage], outputs: Sequence[str]) -> Runner:
        """A RunnerFactory: prepares stages on the engines."""
        watch = self._notes.watch(stages) if self._notes else None
        return Executor(stages, outputs, self._engines, watch=watch)

    def profile(self, expanded: ExpandedGraph) -> Profiled:
        """Costs and paths, from the cache when they are there, without what is known to crash."""
        crashes = [
            Fault(crash.nodes[0], crash.device, str(crash))
            for crash in self._crashes
            if len(crash.nodes) == 1 and crash.device in self._engines
        ]
        for fault in crashes:
            expanded = expanded.without(fault.node, fault.device, fault.reason)
        found = self._profile(expanded)
        return replace(found, faults=(*crashes, *found.faults))

    def _profile(self, expanded: ExpandedGraph) -> Profiled:
        cache = Cache(self._settings.cache, "profile", TypeAdapter(KeptProfile))
        key = self._key(str(expanded), *self._modelled(expanded))
        kept = cache.load(key)
        if kept is not None:
            return Profiled(read_costs(kept.costs), kept.paths, kept.faults)
        profile = Profile(self._engines, self.build, self._settings.clock, self._settings.progress)
        found = profile(expanded, self.cut, self._program.feeds)
        cache.store(key, KeptProfile(write_costs(found.costs), found.paths, found.faults))
        return found

    def _modelled(self, expanded: ExpandedGraph) -> Iterator[str]:
        """What the devices say of themselves: a model may change while its spec does not."""
        yield repr(expanded.machine)
        for node in expanded.graph.nodes:
            for name in expanded.candidates[node.name]:
                yield repr(self._engines[name].estimate(node))
        for value in expanded.graph.values:
            for engine in self._engines.values():
                for link in engine.links:
                    yield repr(link.estimate(value))

    def stage(self, assignment: Assignment) -> tuple[Stage, ...]:
        return StageNodes(self._engines)(self._graph, assignment, self.cut)

    def compare(self, entries: Sequence[Entry], costs: CostTable, objective: Objective) -> Compared:
        """The contenders by measurement, from the cache when the same ones were compared.

        Those with a stage that is known to crash are left out.
        """
        crashed = {(crash.device, crash.nodes) for crash in self._crashes}
        dropped = [
            entry for entry in entries if crashed & {(s.device, s.nodes) for s in entry.stages}
        ]
        kept = [entry for entry in entries if entry not in dropped]
        found = self._compare(kept or entries, costs, objective)
        told = (f"plan {entry.name} is left out: it crashed the process" for entry in dropped)
        return replace(found, dropped=(*told, *found.dropped))

    def _compare(
        self, entries: Sequence[Entry], costs: CostTable, objective: Objective
    ) -> Compared:
        cache = Cache(self._settings.cache, "gate", TypeAdapter(Compared))
        key = self._key(
            write_costs(costs), str(objective), *(f"{e.name}\n{e.assignment}" for e in entries)
        )
        kept = cache.load(key)
        if kept is not None:
            return kept
        gate = Gate(self.build, self._settings.clock, self._settings.progress, objective)
        outputs = [value.name for value in self._graph.outputs]
        found = gate(entries, self._program.feeds, outputs)
        cache.store(key, found)
        return found

    def accuracy(self, stages: Sequence[Stage]) -> tuple[OutputError, ...]:
        """The outputs of `stages` against those of the whole model in one ONNX Runtime session.

        Nothing where the sample inputs are none that the model can run on.
        """
        outputs = [value.name for value in self._graph.outputs]
        try:
            found, _ = self.build(stages, outputs).run(self._program.feeds)
            return output_errors(found, self._reference)
        except EngineError:
            return ()

    @cached_property
    def _reference(self) -> Mapping[str, Tensor]:
        everything = tuple(node.name for node in self._graph.nodes)
        stage = Stage("cpu.serial", everything, self._whole)
        outputs = [value.name for value in self._whole.outputs]
        engines = {"cpu.serial": create("cpu.serial")}
        return Executor([stage], outputs, engines).run(self._program.feeds)[0]

    def within(self, entries: Sequence[Entry], tolerance: float) -> tuple[Entry, ...]:
        """Those whose outputs are as close to the reference as asked.

        Raises ToleranceError where none are.
        """
        errors = [worst(self.accuracy(entry.stages)) for entry in entries]
        kept = tuple(e for e, error in zip(entries, errors, strict=True) if error <= tolerance)
        if not kept:
            raise ToleranceError(
                f"the closest plan is off by {min(errors):.2g} of the largest output",
                where=f"tolerance {tolerance:g}",
                fix="raise the tolerance, or add a device that computes in the model's precision",
            )
        return kept

    def provenance(self, options: Mapping[str, str]) -> Provenance:
        return Provenance(
            stagecut=versions()["stagecut"],
            model=self._program.name,
            model_sha256=self._model_sha256,
            cpu=cpu_model(),
            threads=usable_cpus(),
            versions=versions(),
            devices=self._specs,
            options=options,
        )

    def _key(self, *parts: str) -> str:
        """Names a measurement of this model with these inputs on this machine."""
        feeds = [
            part
            for name, array in self._program.feeds.items()
            for part in (name, str(array.dtype), str(array.shape), repr(array.tolist()))
        ]
        machine = (cpu_model(), str(usable_cpus()), repr(versions()), repr(self._specs))
        return digest(self._model_sha256, *machine, *feeds, *parts)


def model_bytes(model: ir.Model) -> bytes:
    """An ONNX file; large weights are named by their place in `weights.bin`."""
    data: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return data
