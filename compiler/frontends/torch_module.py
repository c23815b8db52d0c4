"""A PyTorch program as it is called by hand, from the text that names it: what its plan is measured
beside."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from stagecut.compiler.frontends.factory import call_factory
from stagecut.compiler.frontends.torch_export import (  # first: it says what is missing
    bind,
    read_file,
)
from stagecut.compiler.frontends.zoo import PREFIX, build
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import FeedError, ModelError, UsageError

import torch  # isort: skip
from torch.utils import _pytree as pytree  # isort: skip

#: The program, and the arguments of a call, by position and by name.
Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def torch_call(spec: str, inputs: Sequence[Tensor]) -> Call:
    """The program of `spec` in eval mode, to be called with `inputs` in the place of the tensors
    among its example inputs, in their order.

    Raises UsageError for what is no PyTorch program, ModelError and FeedError for what is wrong
    with it, or does not fit it. A .pt2 file or a factory may run code: only name what you trust.
    """
    program, *example = _program(spec)
    leaves, structure = pytree.tree_flatten(tuple(example))
    tensors = [at for at, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    if len(tensors) != len(inputs):
        raise FeedError(
            f"takes {len(tensors)} tensors, and the plan {len(inputs)}",
            where=spec,
            fix="name the program that the plan was made from",
        )
    for at, array in zip(tensors, inputs, strict=True):
        leaves[at] = torch.from_numpy(np.array(array))
    args, kwargs = pytree.tree_unflatten(leaves, structure)
    return program, args, kwargs


def _program(spec: str) -> Call:
    """With its example inputs."""
    suffix = Path(spec).suffix.lower()
    if suffix == ".onnx" or (suffix != ".pt2" and ":" not in spec):
        raise UsageError(
            f"{spec!r} is no PyTorch program",
            where="--model",
            fix="give a file.pt2, package.module:factory, or zoo:NAME",
        )
    if suffix == ".pt2":
        return _of(read_file(Path(spec)), None, spec)
    if spec.startswith(PREFIX):
        built = build(spec)
        return _of(built.module, built.example_inputs, spec)
    return _of(*call_factory(spec), spec)


def _of(model: object, example: object, spec: str) -> Call:
    """Bound as for the plan, whose inputs stand in the order that binding gives them."""
    if isinstance(model, torch.export.ExportedProgram):
        program = model.module()
        args, kwargs = model.example_inputs or ((), {})
        if example is not None:
            args, kwargs = bind(program.forward, example, spec)
        return program, args, dict(kwargs)
    if isinstance(model, torch.nn.Module):
        args, kwargs = bind(model.forward, example, spec)
        return model.eval(), args, dict(kwargs)
    raise ModelError(
        f"a {type(model).__name__} is no PyTorch program",
        where=spec,
        fix="give an nn.Module or an ExportedProgram",
    )
