"""Plans at shapes that they were not compiled for, where they have to be right, too.

A model with open dimensions runs at any shape that it admits: the plan's stages are extracted
anew, with open dimensions, and engines have other kernels for these. So the plan that is to ship
runs once at other sizes, on the samples' own numbers, as often as it takes.

    x: [batch, seq, 8]     samples [1, 128, 8]     tried [2, 129, 8], then [1, 64, 8]
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_ir as ir

from stagecut.compiler.answers import Answers
from stagecut.compiler.ir.device import Backend, Feeds, StagedSchedule, Tensor
from stagecut.compiler.ir.errors import EngineError, StagecutError
from stagecut.compiler.ir.graph import ANY_RANK, Dims
from stagecut.compiler.ir.text import shape_text
from stagecut.passes.gate.accuracy import Limit
from stagecut.passes.gate.build import Wrong
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.further_inputs import InputSet
from stagecut.passes.gate.reference import Reference
from stagecut.runtime.unprofiled_shapes import UnprofiledShapes


@dataclass(frozen=True)
class OtherShapes:
    """`opened` is the model with its open dimensions, `dims` what it declares of its inputs."""

    answers: Answers
    opened: ir.Model
    dims: Mapping[str, Dims]

    def __call__(self, proposal: Proposal, limit: Limit | None) -> Wrong | tuple[str, ...]:
        """What is wrong with a proposal's outputs, or the inputs on which they are right: none
        where nothing can be said, as the reference, or the proposal, does not run there."""
        if limit is None or self._known is None:
            return ()
        inputs, reference = self._known
        staged = self.answers.staged(proposal)
        try:
            outputs = self._runs(staged, self.answers.context.backends)(inputs.feeds)
        except EngineError:
            return ()
        flaw = reference.flaw(inputs, outputs, limit)
        return (inputs.name,) if flaw is None else Wrong(proposal, staged, inputs, flaw)

    @cached_property
    def _known(self) -> tuple[InputSet, Reference] | None:
        """The first other shapes at which the reference runs."""
        for feeds in _resized(self.answers.program.feeds, self.dims):
            shapes = {name: array.shape for name, array in feeds.items()}
            inputs = InputSet(f"inputs of other shapes ({shape_text(shapes)})", feeds)
            reference = Reference(self._right, feeds)
            if reference.runs_on(inputs):
                return inputs, reference
        return None

    @cached_property
    def _right(self) -> Callable[[Feeds], Mapping[str, Tensor]]:
        if self.answers.original is not None:
            return self._of_original
        staged = self.answers.on_reference(self.answers.whole)
        return self._runs(staged, self.answers.reference_engines)

    def _of_original(self, feeds: Feeds) -> Mapping[str, Tensor]:
        with _as_engine_error():
            return self.answers.of_original(feeds)(feeds)

    def _runs(
        self, staged: StagedSchedule, engines: Mapping[str, Backend]
    ) -> Callable[[Feeds], Mapping[str, Tensor]]:
        """Runs it at any shapes; raises EngineError where the model, or an engine, does not run at
        these."""
        shapes = UnprofiledShapes(
            self.opened.clone, self.answers.program.name, staged, self.answers.outputs, engines
        )

        def run(feeds: Feeds) -> Mapping[str, Tensor]:
            with _as_engine_error():
                return shapes.run(feeds, tuple(each.shape for each in feeds.values()))[0]

        return run


@contextmanager
def _as_engine_error() -> Iterator[None]:
    """What the model is not made for counts as what an engine does not run."""
    try:
        yield
    except StagecutError as error:
        raise EngineError(error.problem, where=error.where, fix=error.fix) from error


def _resized(samples: Feeds, dims: Mapping[str, Dims]) -> Iterator[Feeds]:
    """The samples with one more along each open dimension that has a name, then with half."""
    sizes = {
        dim: size
        for name, array in samples.items()
        for dim, size in zip(dims.get(name, ()), array.shape, strict=False)
        if size and isinstance(dim, str) and dim.isidentifier()
    }
    for changed in (
        {dim: size + 1 for dim, size in sizes.items()},
        {dim: max(1, size // 2) for dim, size in sizes.items()},
    ):
        if changed != sizes:
            yield {
                name: _taken(array, _shape(array.shape, dims.get(name, ()), changed))
                for name, array in samples.items()
            }


def _shape(shape: Sequence[int], dims: Dims, sizes: Mapping[str, int]) -> Sequence[int]:
    known = shape if dims in ((), ANY_RANK) else dims
    return [_size(dim, size, sizes) for dim, size in zip(known, shape, strict=True)]


def _size(dim: int | str, size: int, sizes: Mapping[str, int]) -> int:
    """The size of a name, or of arithmetic on names; as it was where there is none."""
    if isinstance(dim, int) or dim == "?":
        return size
    try:
        found = ir.SymbolicDim(dim).evaluate(sizes)
    except ValueError:
        return size
    return found if isinstance(found, int) else size


def _taken(array: Tensor, shape: Sequence[int]) -> Tensor:
    """The array cut off, or begun again, along each axis."""
    for axis, size in enumerate(shape):
        if array.shape[axis]:
            array = np.take(array, np.arange(size) % array.shape[axis], axis=axis)
    return array
