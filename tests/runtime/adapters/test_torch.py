"""torch.compile with stagecut as its backend: the same answers, or PyTorch's own with a warning."""

import warnings

import pytest
import torch

from stagecut.runtime.adapters.torch import compile_graph


class Residual(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = torch.nn.Linear(16, 32), torch.nn.Linear(32, 16)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.relu(self.up(x))
        return x + self.down(hidden), hidden.sum()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch._dynamo.reset()


def test_it_answers_as_pytorch_does() -> None:
    torch.manual_seed(0)
    model = Residual().eval()
    x = torch.randn(4, 16)
    compiled = torch.compile(model, backend=compile_graph)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found, expected = compiled(x), model(x)
        again = compiled(2 * x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(again, model(2 * x))


def test_training_is_left_to_pytorch_and_told() -> None:
    model = Residual()
    compiled = torch.compile(model, backend=compile_graph)
    with pytest.warns(UserWarning, match="gradients are wanted"):
        output, _ = compiled(torch.randn(4, 16))
    output.sum().backward()
    assert model.up.weight.grad is not None


def test_what_cannot_be_exported_is_left_to_pytorch_and_told() -> None:
    def sort_out(x: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = torch.linalg.eigvalsh(x + x.T)
        return values

    x = torch.randn(4, 4)
    with torch.inference_mode(), pytest.warns(UserWarning, match="leaves a graph to PyTorch"):
        found = torch.compile(sort_out, backend=compile_graph)(x)
    torch.testing.assert_close(found, sort_out(x))


def test_torch_finds_it_by_name() -> None:
    """By the entry point that the package declares."""
    torch.manual_seed(0)
    model = Residual().eval()
    x = torch.randn(4, 16)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = torch.compile(model, backend="stagecut")(x)
    torch.testing.assert_close(found, model(x))
    assert "stagecut" in torch._dynamo.list_backends(None)


def test_another_shape_is_compiled_or_told_and_right_in_any_case() -> None:
    torch.manual_seed(0)
    model = Residual().eval()
    compiled = torch.compile(model, backend=compile_graph)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for rows in (4, 7, 9, 4):
            x = torch.randn(rows, 16)
            torch.testing.assert_close(compiled(x), model(x))
