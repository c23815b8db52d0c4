"""Torch programs that change their inputs or buffers, or whose weights change, lose nothing.

Inputs and buffers that a program changed stayed as they were, BatchNorm in train mode normalised
with its running statistics, a complex result came back as pairs of floats, and a model that went on
being trained answered with the weights of the first call for ever: all without a word.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stagecut.compiler.context import Settings
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.pipeline import compile_model
from stagecut.runtime import Session
from tests.support.torch_compile import quick_compiles
from tests.support.torch_modules import Counter, Rfft


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with quick_compiles(monkeypatch):
        yield


def compiled(module: nn.Module) -> Callable[[Tensor], Tensor]:
    return torch.compile(module, backend="stagecut")


class Adds(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x.add_(1)
        return x * 2


def test_an_input_is_changed_in_place() -> None:
    x = torch.zeros(3)
    assert compiled(Adds())(x).tolist() == [2, 2, 2]
    assert x.tolist() == [1, 1, 1]


def test_a_counter_counts() -> None:
    counter = compiled(Counter())
    assert [counter(torch.zeros(1)).item() for _ in range(3)] == [1, 2, 3]


def test_a_plan_of_a_counter_says_what_it_does() -> None:
    told: list[str] = []
    settings = Settings(effort="quick", warn=told.append)
    plan = compile_model(
        Counter(), example_inputs=torch.zeros(1), devices=["cpu.serial"], settings=settings
    )
    session = Session(plan)
    feeds = {"x": np.full(1, 5, np.float32)}
    assert [session.run(["add", "n_after"], feeds) for _ in range(2)] == [[6, 1], [6, 1]]
    assert "Counter changes what it holds (n)" in told[0]


def batch() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(5, 3, (64, 4)).astype(np.float32))


def test_batch_statistics_in_train_mode() -> None:
    norm = nn.BatchNorm1d(4).train()
    found = compiled(norm)(batch())
    assert abs(found.mean().item()) < 1e-3
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, batch().mean(0) * 0.1)
    assert norm.num_batches_tracked == 1


def test_batch_statistics_of_an_exported_program() -> None:
    told: list[str] = []
    program = torch.export.export(nn.BatchNorm1d(4).train(), (batch(),))
    settings = Settings(effort="quick", warn=told.append)
    session = Session(compile_model(program, devices=["cpu.serial"], settings=settings))
    name = session.get_inputs()[0].name
    normal, mean, *_ = session.run(None, {name: batch().numpy()})
    assert abs(normal.mean()) < 1e-3
    np.testing.assert_allclose(mean, batch().mean(0) * 0.1, rtol=1e-5)
    assert "running_mean, running_var, num_batches_tracked" in told[0]


def test_a_complex_result_is_complex() -> None:
    x = batch()[:3]
    with pytest.warns(UserWarning, match="complex numbers"):
        found = compiled(Rfft())(x)
    torch.testing.assert_close(found, torch.fft.rfft(x))


def test_a_complex_input_is_refused_with_advice_that_can_be_followed() -> None:
    with pytest.raises(ModelError, match="takes complex numbers") as caught:
        compile_model(Counter(), example_inputs=torch.ones(3, dtype=torch.complex64))
    assert "torch.view_as_complex" in caught.value.fix


def test_weights_that_are_loaded_later_are_used() -> None:
    layer, x = nn.Linear(4, 2), batch()
    answers = compiled(layer)
    answers(x)
    layer.load_state_dict({"weight": torch.ones(2, 4), "bias": torch.zeros(2)})
    with pytest.warns(UserWarning, match="weights have changed"):
        found = answers(x)
    torch.testing.assert_close(found, layer(x))
