"""stagecut as a backend of torch.compile, for inference.

    compiled = torch.compile(model, backend="stagecut")

Graphs that TorchDynamo passes on are compiled for the real devices of this machine and run as
plans. What a graph changes in place (a cache, the statistics of a BatchNorm) is changed as PyTorch
would change it, and a graph whose weights have changed is compiled anew. What a plan cannot do
(training, sizes that change, random or complex numbers, operators that cannot be exported) runs in
PyTorch itself, after one warning.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from stagecut.compiler.ir.errors import StagecutError
from stagecut.runtime.adapters.torch_graph import PlannedGraph


def compile_graph(module: torch.fx.GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
    """The function that TorchDynamo calls in place of `module`; `inputs` are examples.

    A graph that cannot be compiled runs eagerly; nothing is raised.
    """
    reason = _misfit(inputs)
    if not reason:
        try:
            return PlannedGraph(module, inputs)
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
    reasons = {
        "gradients are wanted: use torch.inference_mode() or torch.no_grad()": (
            torch.is_grad_enabled() and any(each.requires_grad for each in inputs)
        ),
        "autocast is on: give the model the type that it is to compute in": (
            torch.is_autocast_enabled("cpu")
        ),
        "its tensors are not in the host's memory": any(
            each.device.type != "cpu" for each in inputs
        ),
        "it computes with complex numbers": any(
            each.is_complex() or each.is_neg() for each in inputs
        ),
        "its tensors are sparse, quantized or of a class of their own": any(
            each.layout is not torch.strided
            or each.is_quantized
            or is_traceable_wrapper_subclass(each)
            for each in inputs
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
