"""One program at one shape, ready to be measured, and what is derived from it once.

Measurements -> profile_of (kept_profile.py) -> Comparison (comparison.py) -> Compared
             '-> node_errors, plan_check (kept_errors.py)

Each looks into the cache first, under a name that `Identity` gives it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import onnx_ir as ir

from stagecut import backends
from stagecut.compiler.answers import Answers
from stagecut.compiler.context import CompileContext
from stagecut.compiler.formats.node_ranges import Range, put_ranges
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.frontends.feeds import other_samples
from stagecut.compiler.identity import Identity
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.residents import NO_RESIDENTS, Residents
from stagecut.compiler.measure.cache import Cache
from stagecut.compiler.right import OtherProgram, Right
from stagecut.compiler.right_elsewhere import RightElsewhere
from stagecut.passes.stage.extract import Extractor

#: By the name that users know it by.
_SAMPLES, _RANGES = "samples", "ranges"


@dataclass(frozen=True)
class Measurements:
    """Its graph, and its weights on disk, which must outlive this.

    `opened` is the whole model where it has open dimensions, with its weights on disk, too.
    `residents` are the states that stay where they are read. `right` says what is right, where that
    is not the program itself.
    """

    context: CompileContext
    program: Program
    graph: Graph
    weights: WeightFile
    opened: ir.Model | None = None
    residents: Residents = NO_RESIDENTS
    right: Right | None = None

    @cached_property
    def answers(self) -> Answers:
        extract = Extractor(self.program, self.weights)
        return Answers(
            self.context,
            self.program,
            self.graph,
            extract,
            self.residents,
            self.right,
        )

    def with_residents(self, costs: CostTable) -> CostTable:
        """The table with states that lie where they are read."""
        drivers = (link for engine in self.context.backends.values() for link in engine.links)
        return self.residents.priced(costs, drivers)

    @cached_property
    def identity(self) -> Identity:
        return Identity(self.answers, self.weights)

    @property
    def as_right(self) -> OtherProgram:
        """What a program that is made from this one is held against."""
        return OtherProgram(self.answers.reference, self.identity.model_sha256)

    @cached_property
    def right_elsewhere(self) -> RightElsewhere:
        return RightElsewhere(self.answers, self.opened)

    @property
    def kept_in(self) -> Path | None:
        """The folder for what the user's own metric says something about: nobody knows when that
        has changed."""
        return self.context.settings.cache if self.program.metric is None else None

    def on_samples_that_run(self) -> "Measurements":
        """The same on other samples, where the reference does not run on those that were made up,
        and does on others; with what devices have to know of values on these. Both are kept in the
        cache."""
        return self._on_samples_that_run().with_ranges()

    def with_ranges(self) -> "Measurements":
        """The same whose nodes know the ranges of what they read and write, where a device has to;
        as it is, where the reference cannot say."""
        engines = self.context.backends.values()
        asked = {
            name: None
            for node in self.graph.nodes
            for engine in engines
            for name in backends.ranged(engine, node)
        }
        if not asked:
            return self
        entries = Cache(
            self.context.settings.cache,
            _RANGES,
            dict[str, Range],
            self.context.settings.warn,
        )
        key = self.identity.key(_RANGES, *asked)
        found = entries.load(key)
        if found is None:
            try:
                found = dict(self.answers.ranges(asked))
            except EngineError:
                return self
            entries.store(key, found)
        model = self.program.model.clone()
        put_ranges(model, found)
        return replace(self, program=replace(self.program, model=model))

    def _on_samples_that_run(self) -> "Measurements":
        program, settings = self.program, self.context.settings
        if not program.made_up or program.measured:  # what was measured is of these samples
            return self
        tried = [program.feeds, *other_samples(program.feeds, program.made_up)]
        entries = Cache(settings.cache, _SAMPLES, int, settings.warn)
        key = self.identity.key(_SAMPLES)
        number = entries.load(key)
        if number is None:
            runs = (at for at, feeds in enumerate(tried) if self.answers.runs_on(feeds))
            number = next(runs, 0)
            entries.store(key, number)
        if not 0 < number < len(tried):
            return self
        return replace(self, program=replace(program, feeds=tried[number]))
