"""Graphs of TorchDynamo's that run as plans do all that PyTorch does, or are left to it."""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stagecut.compiler.ir.device import Tensor as Array
from stagecut.compiler.ir.errors import ModelError
from stagecut.runtime.adapters import torch_graph
from stagecut.runtime.adapters.torch import compile_graph
from stagecut.runtime.adapters.torch_graph import PlannedGraph
from stagecut.runtime.session import Session
from tests.support.torch_compile import quick_compiles
from tests.support.torch_modules import Clears


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with quick_compiles(monkeypatch):
        yield


class Does(nn.Module):
    """One function, with a weight and a buffer to use."""

    state: Tensor

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function
        self.weight = nn.Parameter(torch.full((4, 4), 0.5))
        self.register_buffer("state", torch.zeros(3, 4))

    def forward(self, *given: Tensor) -> Any:
        return self._function(self, *given)


def x() -> Tensor:
    return torch.arange(12.0).reshape(3, 4)


def changes_all(module: Does, x: Tensor) -> tuple[Tensor, Tensor]:
    """An input through a view of it, a part of a cache, and a weight."""
    row = x[1]
    row.mul_(3)
    module.state[:, 1:3] = x[:, :2]
    module.weight.mul_(0.5)
    return row, x @ module.weight + module.state


def shares(module: Does, x: Tensor) -> dict[str, Any]:
    hidden = x @ module.weight
    return {"all": [hidden, hidden.T], "part": (hidden[:, 0], None, 3), "input": x.view(-1)}


AS_PYTORCH: dict[str, tuple[Callable[[], nn.Module], Callable[[], Sequence[Tensor]]]] = {
    "an input, a buffer and a weight that it changes": (lambda: Does(changes_all), lambda: [x()]),
    "no outputs": (Clears, lambda: [x()]),
    "views, nests and numbers": (lambda: Does(shares), lambda: [x()]),
    "half precision, strided": (
        lambda: Does(lambda _, x: (x * 2).T),
        lambda: [torch.ones(6, 8, dtype=torch.float16)[::2, ::2]],
    ),
}


@pytest.mark.parametrize(("make", "inputs"), AS_PYTORCH.values(), ids=AS_PYTORCH.keys())
def test_it_does_as_pytorch_does(
    make: Callable[[], nn.Module], inputs: Callable[[], Sequence[Tensor]]
) -> None:
    ours = make()
    theirs = copy.deepcopy(ours)
    compiled = torch.compile(ours, backend=compile_graph)
    for _ in range(3):
        given = inputs()
        same = copy.deepcopy(given)
        found, wanted = compiled(*given), theirs(*same)
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(given, same)
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_writing_to_a_view_writes_to_what_it_is_a_view_of() -> None:
    given = x()
    found = torch.compile(Does(shares), backend=compile_graph)(given)
    hidden, turned = found["all"]
    found["part"][0].fill_(-1)
    found["input"].fill_(-2)
    assert turned[0].tolist() == hidden[:, 0].tolist() == [-1, -1, -1]
    assert given.tolist() == [[-2] * 4] * 3


def test_new_weights_are_used_at_once_and_compiled_when_they_stay() -> None:
    layer = nn.Linear(4, 2)
    graphs: list[PlannedGraph] = []

    def backend(module: torch.fx.GraphModule, inputs: Sequence[Any]) -> PlannedGraph:
        graphs.append(PlannedGraph(module, inputs))
        return graphs[-1]

    compiled = torch.compile(layer, backend=backend)
    compiled(x())
    [graph] = graphs
    plans = [graph._plan]
    for calls in (1, 2):  # each time it takes twice as many calls
        layer.weight.add_(1)
        for call in range(calls + 1):
            with (
                pytest.warns(UserWarning, match="weights have changed")
                if (call == 0 and calls == 1)
                else warnings.catch_warnings()
            ):
                torch.testing.assert_close(compiled(x()), layer(x()))
            assert (graph._plan is plans[-1]) is (call < calls)
        plans.append(graph._plan)
    torch.testing.assert_close(compiled(x()), layer(x()))


def test_new_weights_that_cannot_be_compiled_run_in_pytorch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> object:
        raise ModelError("no luck")

    layer = nn.Linear(4, 2)
    compiled = torch.compile(layer, backend=compile_graph)
    compiled(x())
    monkeypatch.setattr(torch_graph, "compile_model", refuse)
    layer.bias.add_(1)
    with pytest.warns(UserWarning, match="weights have changed"):
        compiled(x())
    with pytest.warns(UserWarning, match="for now: no luck"):
        found = compiled(x())
    torch.testing.assert_close(found, layer(x()))


def test_weights_of_inference_mode_are_read_at_every_call() -> None:
    with torch.inference_mode():
        layer = nn.Linear(4, 2)
        compiled = torch.compile(layer, backend=compile_graph)
        compiled(x())
        layer.weight.add_(1)
        torch.testing.assert_close(compiled(x()), layer(x()))


def test_a_change_is_seen_by_inputs_that_share_its_memory() -> None:
    def function(one: Tensor, other: Tensor) -> Tensor:
        one.add_(1)
        return other * 2

    compiled = torch.compile(function, backend=compile_graph)
    apart = [torch.ones(4), torch.ones(4)]
    assert compiled(*apart).tolist() == [2, 2, 2, 2]
    whole = torch.ones(6)
    with pytest.warns(UserWarning, match="shares memory with another input"):
        assert compiled(whole[:4], whole[2:]).tolist() == [4, 4, 2, 2]
    torch._dynamo.reset()
    with pytest.warns(UserWarning, match="shares memory with another input"):
        assert compiled(whole[:4], whole[2:]).tolist() == [6, 6, 2, 2]


LEFT: dict[str, tuple[Callable[..., Any], Callable[[], Tensor], str]] = {
    "complex inputs": (lambda _, x: x * 2, lambda: x().to(torch.complex64), "complex numbers"),
    "complex outputs": (lambda _, x: torch.fft.rfft(x), x, "complex numbers"),
    "random numbers": (lambda _, x: nn.functional.dropout(x), x, "draws random numbers"),
    "no kernel": (lambda _, x: x @ x.T, lambda: x().bfloat16(), "could not be checked"),
    "other memory": (lambda _, x: x + 1, lambda: x().to("meta"), "not in the host's memory"),
}


@pytest.mark.parametrize(("function", "given", "reason"), LEFT.values(), ids=LEFT.keys())
def test_the_rest_is_left_to_pytorch_and_told(
    function: Callable[..., Any], given: Callable[[], Tensor], reason: str
) -> None:
    module = Does(function)
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match=reason):
        found = torch.compile(module, backend=compile_graph)(given())
    torch.manual_seed(0)
    wanted = module(given())
    assert (found.dtype, found.shape, found.device) == (wanted.dtype, wanted.shape, wanted.device)
    if wanted.device.type == "cpu":
        torch.testing.assert_close(found, wanted)


def test_autocast_is_left_to_pytorch() -> None:
    module = Does(lambda module, x: x @ module.weight)
    with torch.autocast("cpu"), pytest.warns(UserWarning, match="autocast is on"):
        assert torch.compile(module, backend=compile_graph)(x()).dtype == torch.bfloat16


def test_sparse_tensors_are_left_to_pytorch() -> None:
    class Same(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (x,)

    with pytest.warns(UserWarning, match="sparse, quantized or of a class of their own"):
        compile_graph(torch.fx.symbolic_trace(Same()), [x().to_sparse()])


def test_graphs_with_weights_of_their_own_are_refused() -> None:
    with pytest.raises(ModelError, match="weights of its own"):
        PlannedGraph(torch.fx.symbolic_trace(nn.Linear(4, 2)), [x()])


def test_outputs_have_memory_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an engine hands back: an input as it is, or what must not be written."""

    def hand_back(self: Session, names: object, feeds: dict[str, Array]) -> list[Array]:
        [array] = feeds.values()
        locked = array.copy()
        locked.flags.writeable = False
        return [array[:], locked]

    compiled = torch.compile(lambda x: (x * 1, x + 0), backend=compile_graph)
    compiled(x())
    monkeypatch.setattr(Session, "run", hand_back)
    given = x()
    for output in compiled(given):
        output.zero_()
    assert torch.equal(given, x())
