"""The model in full precision that another one was made from: what that one is held against.

FULL.onnx  --quantised by somebody-->  model.onnx --> plans
    '------------- right, on the same inputs -----------'
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from stagecut.compiler.formats.weights import model_bytes, write_weights
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.normal_form.normalise import normalise
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Feeds, StageProgram
from stagecut.compiler.ir.errors import ModelError, StagecutError
from stagecut.compiler.measure.cache import digest
from stagecut.passes.stage.extract import Extractor


@dataclass(frozen=True, slots=True)
class Whole:
    """A model at one shape; `sha256` is of it and its weights."""

    program: StageProgram
    sha256: str


_Shapes: TypeAlias = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Original:
    """Of every shape that is asked for, a program; its weights lie in `folder`."""

    imported: Imported
    folder: Path
    _made: dict[_Shapes, Whole] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return self.imported.source

    def at(self, feeds: Feeds, outputs: Sequence[str]) -> Whole:
        """The whole of it, for inputs of these shapes, with these `outputs` in their order; raises
        ModelError where it has others."""
        key = tuple((name, array.shape) for name, array in feeds.items())
        if key not in self._made:
            self._made[key] = self._whole(feeds, outputs)
        return self._made[key]

    def _whole(self, feeds: Feeds, outputs: Sequence[str]) -> Whole:
        try:
            program = normalise(self.imported, feeds=feeds)
        except StagecutError as error:
            raise self._misfit(f"{error.where}: {error.problem}") from error
        graph = graph_of(program)
        written = {value.name: value for value in graph.outputs}
        if {*written} != {*outputs}:
            raise self._misfit(f"its outputs are {', '.join(written)}, not {', '.join(outputs)}")
        folder = self.folder / str(len(self._made))
        folder.mkdir(parents=True)
        [weights] = write_weights([program.model], folder)
        extract = Extractor(program, weights)
        made = extract("original", graph.nodes, [written[name] for name in outputs])
        return Whole(made, digest(model_bytes(made.model), weights.sha256))

    def _misfit(self, problem: str) -> ModelError:
        return ModelError(
            f"it does not go with the model: {problem}",
            where=f"reference {self.source}",
            fix="name the model in full precision that this one was made from",
        )
