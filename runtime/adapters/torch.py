"""stagecut as a backend of torch.compile, for inference.

    compiled = torch.compile(model, backend="stagecut")

Graphs that TorchDynamo passes on are compiled for the real devices of this machine and run as
plans, with the weights that they have when they are compiled. What a plan cannot do (training,
sizes that change, operators that cannot be exported) runs in PyTorch itself, after one warning.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.pipeline import compile_model
from stagecut.runtime.session import Session


def compile_graph(module: torch.fx.GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
    """The function that TorchDynamo calls in place of `module`; `inputs` are examples.

    A graph that cannot be compiled runs eagerly; nothing is raised.
    """
    reason = _misfit(inputs)
    if not reason:
        try:
            return _planned(module, inputs)
        except StagecutError as error:
            reason = error.problem
        except Exception as error:  # exporters fail in many ways
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    warnings.warn(f"stagecut leaves a graph to PyTorch: {reason}", stacklevel=2)
    return module.forward


def _misfit(inputs: Sequence[Any]) -> str:
    """Why the graph cannot become a plan; empty where it may."""
    if not all(isinstance(each, torch.Tensor) for each in inputs):
        return "sizes or numbers in it change from call to call: use torch.compile(dynamic=False)"
    if torch.is_grad_enabled() and any(each.requires_grad for each in inputs):
        return "gradients are wanted: use torch.inference_mode() or torch.no_grad()"
    if any(each.device.type != "cpu" for each in inputs):
        return "its tensors are not in the host's memory"
    return ""


def _planned(module: torch.fx.GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
    free = [at for at, each in enumerate(inputs) if not isinstance(each, torch.nn.Parameter)]
    bound = _Bound(module, inputs, free).eval()
    with torch.no_grad():
        plan = compile_model(bound, example_inputs=tuple(inputs[at] for at in free))
    session = Session(plan)
    names = [port.name for port in session.get_inputs()]

    def run(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        arrays = (arguments[at].detach().contiguous().numpy() for at in free)
        outputs = session.run(None, dict(zip(names, arrays, strict=True)))
        return tuple(map(torch.from_numpy, outputs))

    return run


class _Bound(torch.nn.Module):
    """`module` with its parameters, which TorchDynamo passes as inputs, bound to it."""

    def __init__(
        self, module: torch.fx.GraphModule, inputs: Sequence[Any], free: Sequence[int]
    ) -> None:
        super().__init__()
        self._module = module
        self._free = set(free)
        for at, each in enumerate(inputs):
            if at not in self._free:
                self.register_buffer(f"weight_{at}", each.detach())
        self._count = len(inputs)

    def forward(self, *given: torch.Tensor) -> Any:
        rest = iter(given)
        arguments = (
            next(rest) if at in self._free else getattr(self, f"weight_{at}")
            for at in range(self._count)
        )
        return self._module(*arguments)
