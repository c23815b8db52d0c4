"""A graph of TorchDynamo's that runs as a plan, and does beside that what the graph would do."""

import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch

from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.torch_export import from_module
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import ModelError, StagecutError
from stagecut.compiler.pipeline import compile_model
from stagecut.runtime.adapters.torch_arrays import array_of, tensor_of
from stagecut.runtime.adapters.torch_outputs import Own, observe, overlap
from stagecut.runtime.adapters.torch_weights import Weights, can_be_watched
from stagecut.runtime.session import Session

_WEIGHT = "weight_{}"


class PlannedGraph:
    """`module` as a plan; called like it, with what TorchDynamo passes.

    Where the weights are no longer those of the plan, PyTorch runs the graph, until they have
    stayed the same for some calls: then it is compiled anew. Every time that takes twice as many
    calls, so that a model that is trained in between is not compiled for ever.
    """

    def __init__(self, module: torch.fx.GraphModule, inputs: Sequence[torch.Tensor]) -> None:
        self._module = module
        self._plan = _Planned(module, inputs)
        self._seen = self._plan.weights
        self._calls, self._patience = 0, 1
        self._told: set[str] = set()

    def __call__(self, *arguments: torch.Tensor) -> Any:
        plan = self._plan
        if not plan.weights.are_in(arguments):
            return self._with_other_weights(arguments)
        if plan.changed and overlap(arguments, plan.changed):
            return self._eagerly("what it changes shares memory with another input", arguments)
        return plan(arguments)

    def _with_other_weights(self, arguments: Sequence[torch.Tensor]) -> Any:
        if not self._seen.are_in(arguments):
            self._seen, self._calls = self._seen.of(arguments), 0
        self._calls += 1
        if self._calls <= self._patience:
            return self._eagerly("its weights have changed", arguments)
        self._calls, self._patience = 0, 2 * self._patience
        try:
            self._plan = _Planned(self._module, arguments)
        except StagecutError as error:
            return self._eagerly(error.problem, arguments)
        return self(*arguments)

    def _eagerly(self, reason: str, arguments: Sequence[torch.Tensor]) -> Any:
        if reason not in self._told:
            self._told.add(reason)
            warnings.warn(f"stagecut leaves a graph to PyTorch, for now: {reason}", stacklevel=4)
        return self._module.forward(*arguments)


class _Planned:
    """A plan of `module` with its weights in it.

    `weights` are those, and `changed` are the places of the arguments that a run changes.
    """

    def __init__(self, module: torch.fx.GraphModule, inputs: Sequence[torch.Tensor]) -> None:
        if any(True for _ in (*module.parameters(), *module.buffers())):
            raise ModelError("it has weights of its own, whose changes could not be noticed")
        held = {
            at
            for at, each in enumerate(inputs)
            if isinstance(each, torch.nn.Parameter) and can_be_watched(each)
        }
        with torch.no_grad():
            imported, weights = _import(module, inputs, held)
            self.weights = Weights(inputs, sorted(weights))
            session = Session(compile_model(imported))
        self._free = [at for at in range(len(inputs)) if at not in weights]
        names = list(imported.feeds)
        self.changed = [self._free[names.index(change.name)] for change in imported.changes]
        if overlap(inputs, self.changed):
            raise ModelError("what it changes shares memory with another input")
        self._outputs = observe(module, inputs, self._free)
        self._session = session
        self._names = [port.name for port in session.get_inputs()]

    def __call__(self, arguments: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        arrays = [array_of(arguments[at]) for at in self._free]
        results = self._session.run(None, dict(zip(self._names, arrays, strict=True)))
        found = [tensor_of(_apart(result, arrays)) for result in results]
        for at, value in zip(self.changed, found[len(self._outputs) :], strict=True):
            arguments[at].copy_(value)
        made = [
            output.of(each) if isinstance(output, Own) else each
            for output, each in zip(self._outputs, found, strict=False)
        ]
        for at, output in enumerate(self._outputs):
            if not isinstance(output, Own):
                bases: Sequence[torch.Tensor] = arguments if output.source == "argument" else made
                made[at] = output.of(bases[output.at])
        return tuple(made)


class _Bound(torch.nn.Module):
    """`module` as a function of its inputs but those at `held`, which are parts of it."""

    def __init__(
        self, module: torch.fx.GraphModule, inputs: Sequence[torch.Tensor], held: Collection[int]
    ) -> None:
        super().__init__()
        self._module = module
        self._held = frozenset(held)
        self._count = len(inputs)
        for at in held:
            weight = torch.nn.Parameter(inputs[at].detach(), requires_grad=False)
            self.register_parameter(_WEIGHT.format(at), weight)

    def forward(self, *given: torch.Tensor) -> Any:
        rest = iter(given)
        return self._module(
            *(
                getattr(self, _WEIGHT.format(at)) if at in self._held else next(rest)
                for at in range(self._count)
            )
        )


def _import(
    module: torch.fx.GraphModule, inputs: Sequence[torch.Tensor], held: Collection[int]
) -> tuple[Imported, Collection[int]]:
    """The graph with the inputs at `held` in it but those that it changes, and what it holds."""
    given = tuple(each for at, each in enumerate(inputs) if at not in held)
    bound = _Bound(module, inputs, held)
    imported = from_module(bound, given, name="graph", source="torch.compile")
    if imported.unchecked:
        raise ModelError(f"its ONNX form could not be checked: {imported.unchecked}")
    names = {_WEIGHT.format(at): at for at in held}
    changed = {names[change.name] for change in imported.changes if change.kind == "buffer"}
    return _import(module, inputs, set(held) - changed) if changed else (imported, held)


def _apart(result: Tensor, arrays: Sequence[Tensor]) -> Tensor:
    """`result` in memory that is no input's, and that may be written."""
    flags = result.flags
    if flags.writeable and (
        flags.owndata or not any(np.may_share_memory(result, array) for array in arrays)
    ):
        return result
    return result.copy()
