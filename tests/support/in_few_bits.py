"""A torch model with the weights that a plan holds in few bits, as the numbers they stand for."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor


def in_few_bits(model: nn.Module, plan: Plan) -> nn.Module:
    """A copy of `model` whose products have the weights of the plan, where that holds them in few
    bits. Which is which is told by the numbers: the nearest one of the same shape.

    Raises ValueError where a weight of the plan is that of no product.
    """
    found = copy.deepcopy(model)
    products = [each for each in found.modules() if _matrix(each) is not None]
    for matrix in _matrices(plan):
        near = min(products, key=lambda product: _distance(product, matrix), default=None)
        if near is None or _distance(near, matrix) == float("inf"):
            raise ValueError(f"no product has a weight like one of {[*matrix.shape]}")
        # of its own: a head may share its weight with the embedding, whose rows stay as they are
        turned = matrix.T if isinstance(near, nn.Linear) else matrix
        new = nn.Parameter(turned.contiguous(), requires_grad=False)
        shared = near.weight
        for product in [each for each in products if each.weight is shared]:  # by several blocks
            products.remove(product)
            product.weight = new
    return found


def _matrices(plan: Plan) -> Iterator[Tensor]:
    """Each once, as [inner, outer]."""
    seen = set[str]()
    for program in (each for variant in plan.variants for each in variant.staged().programs):
        for value in program.model.graph.initializers.values():
            tensor = value.const_value
            if isinstance(tensor, QuantisedTensor) and tensor.matrix.digest not in seen:
                seen.add(tensor.matrix.digest)
                yield torch.from_numpy(tensor.matrix.numpy())


def _matrix(module: Any) -> Tensor | None:
    """The weight of a product, as [inner, outer]; None of anything else."""
    if isinstance(module, nn.Linear):
        return module.weight.detach().T
    return module.weight.detach() if type(module).__name__ in {"Conv1D", "Product"} else None


def _distance(product: Any, matrix: Tensor) -> float:
    weight = _matrix(product)
    if weight is None or weight.shape != matrix.shape:
        return float("inf")
    return float((weight - matrix).square().sum())
