"""What shares memory in PyTorch is given back so that it does."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stagecut.compiler.ir.errors import ModelError
from stagecut.runtime.adapters.torch_outputs import Own, View, observe, overlap


class Returns(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *given: Tensor) -> Any:
        return self._function(*given)


X = torch.arange(12.0).reshape(3, 4)


def seen(function: Callable[..., Any], *inputs: Tensor) -> Sequence[Own | View]:
    given = inputs or (X,)
    return observe(Returns(function), given, range(len(given)))


def parts_of_one(x: Tensor) -> tuple[Tensor, ...]:
    hidden = x + 1
    return hidden[1:], hidden, hidden[:, 0]


SEEN: dict[str, tuple[Callable[..., Any], Sequence[Own | View]]] = {
    "new tensors": (lambda x: (x + 1, x.sum()), [Own((4, 1)), Own(())]),
    "a transposed one": (lambda x: ((x + 1).T,), [Own((1, 4))]),
    "an expanded one is kept as torch keeps copies": (
        lambda x: (x.sum(0).expand(3, 4),),
        [Own((4, 1))],
    ),
    "views of an input": (
        lambda x: (x[1:], x.T),
        [View("argument", 0, (2, 4), (4, 1), 4), View("argument", 0, (4, 3), (1, 4), 0)],
    ),
    "parts of one output": (
        parts_of_one,
        [
            View("output", 1, (2, 4), (4, 1), 4),
            Own((4, 1)),
            View("output", 1, (3,), (4,), 0),
        ],
    ),
    "parts that do not overlap": (lambda x: (x + 1).chunk(2, -1), [Own((2, 1)), Own((2, 1))]),
    "nothing at all": (lambda x: (x[:0], x[:0]), [Own((4, 1)), Own((4, 1))]),
}


@pytest.mark.parametrize(("function", "wanted"), SEEN.values(), ids=SEEN.keys())
def test_seen(function: Callable[..., Any], wanted: Sequence[Own | View]) -> None:
    assert list(seen(function)) == list(wanted)


REFUSED: dict[str, tuple[Callable[..., Any], Sequence[Tensor], str]] = {
    "parts that overlap": (
        lambda x: ((x + 1)[:2], (x + 1)[1:], *_halves(x)),
        (X,),
        "two of its outputs share memory",
    ),
    "a view of a view": (lambda x: (x[:1],), (X[:, ::2],), "a part of an input that has gaps"),
    "an input of another shape": (lambda x: (x.t_() * 1,), (X,), "another shape"),
    "a number": (lambda x: (x + 1, 3), (X,), "what is no tensor"),
    "gradients": (
        lambda x: (x * 2,),
        (torch.ones(2, requires_grad=True),),
        "gradients are wanted",
    ),
}


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    hidden = x * 2
    return hidden[:2], hidden[1:]


@pytest.mark.parametrize(("function", "inputs", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(function: Callable[..., Any], inputs: Sequence[Tensor], problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        seen(function, *inputs)


def test_a_look_changes_nothing() -> None:
    x, before = X.clone(), torch.get_rng_state()
    seen(lambda x: (x.add_(torch.rand(3, 4)),), x)
    assert torch.equal(x, X)
    assert torch.equal(torch.get_rng_state(), before)


def test_views_are_made_anew_wherever_their_base_lies() -> None:
    [view] = seen(lambda x: (x[1:, 2],))
    assert isinstance(view, View)
    later = torch.arange(24.0)[12:].reshape(3, 4)
    made = view.of(later)
    assert torch.equal(made, later[1:, 2])
    assert made.data_ptr() == later[1:, 2].data_ptr()


def test_outputs_get_the_strides_that_they_have_in_torch() -> None:
    assert Own((1, 3)).of(torch.ones(3, 4)).stride() == (1, 3)
    found = torch.ones(3, 4)
    assert Own((4, 1)).of(found) is found


OVERLAP = {
    "apart": ((X.clone(), X.clone()), [0], False),
    "what changes is part of another": ((X[1:], X[:1]), [0], True),
    "two that do not change": ((X[1:], X[:1], X.clone()), [2], False),
    "no numbers": ((X[:0], X[:0]), [0], False),
}


@pytest.mark.parametrize(("arguments", "changed", "wanted"), OVERLAP.values(), ids=OVERLAP.keys())
def test_overlap(arguments: Sequence[Tensor], changed: Sequence[int], wanted: bool) -> None:
    assert overlap(arguments, changed) is wanted


def test_what_gradients_do_not_come_through() -> None:
    weight = nn.Parameter(torch.ones(3))
    with torch.no_grad():
        [output] = seen(lambda w: (w.detach(),), weight)
        made = output.of(weight)
    assert isinstance(output, View)
    assert output.detached
    assert not made.requires_grad
    made.add_(1)
    assert weight.tolist() == [2.0, 2.0, 2.0]
