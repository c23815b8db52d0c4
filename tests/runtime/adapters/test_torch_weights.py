"""Every way to change a weight is noticed; what changes nothing is not."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from stagecut.runtime.adapters.torch_weights import Weights, can_be_watched


def load(layer: nn.Linear) -> None:
    layer.load_state_dict({"weight": torch.zeros(2, 3), "bias": torch.zeros(2)})


def step(layer: nn.Linear) -> None:
    layer(torch.ones(1, 3)).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.1).step()


def set_data(layer: nn.Linear) -> None:
    layer.weight.data = layer.weight.data.clone()


def set_data_twice(layer: nn.Linear) -> None:
    """The second may get the memory that the first one had."""
    layer.weight.data = torch.zeros(2, 3)
    layer.weight.data = torch.ones(2, 3)


def set_parameter(layer: nn.Linear) -> None:
    layer.bias = nn.Parameter(layer.bias.detach())


def add_in_data(layer: nn.Linear) -> None:
    layer.weight.data.add_(1)


def write_through_numpy(layer: nn.Linear) -> None:
    layer.bias.detach().numpy()[:] = 7


def add_in_place(layer: nn.Linear) -> None:
    with torch.no_grad():
        layer.weight[0, 0] += 1


def add_in_inference_mode(layer: nn.Linear) -> None:
    with torch.inference_mode():
        layer.weight[0, 0] += 1


CHANGES = (
    load,
    step,
    set_data,
    set_data_twice,
    set_parameter,
    add_in_data,
    write_through_numpy,
    add_in_place,
    add_in_inference_mode,
)


def arguments(layer: nn.Linear) -> list[torch.Tensor]:
    return [layer.weight, torch.ones(1), layer.bias]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change: Callable[[nn.Linear], None]) -> None:
    layer = nn.Linear(3, 2)
    weights = Weights(arguments(layer), [0, 2])
    assert weights.are_in(arguments(layer))
    change(layer)
    assert not weights.are_in(arguments(layer))
    assert weights.of(arguments(layer)).are_in(arguments(layer))


def test_other_arguments_may_change() -> None:
    layer = nn.Linear(3, 2)
    weights = Weights(arguments(layer), [0, 2])
    assert weights.are_in([layer.weight, torch.zeros(1), layer.bias])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.float8_e5m2], ids=str)
def test_numbers_of_any_type_are_compared_nan_too(dtype: torch.dtype) -> None:
    weight = nn.Parameter(torch.full((2, 2), np.nan).to(dtype), requires_grad=False)
    weights = Weights([weight], [0])
    assert weights.are_in([weight])
    weight.data.copy_(torch.ones(2, 2))
    assert not weights.are_in([weight])


def test_weights_without_numbers_are_weights() -> None:
    weight = nn.Parameter(torch.ones(0, 3))
    assert Weights([weight], [0]).are_in([weight])


def test_tensors_of_inference_mode_cannot_be_watched() -> None:
    with torch.inference_mode():
        assert not can_be_watched(nn.Parameter(torch.ones(2)))
    assert can_be_watched(nn.Parameter(torch.ones(2)))
