"""PyTorch programs as they are called by hand."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models of PyTorch need the torch extra")

from stagecut.compiler.frontends.factory import from_factory  # noqa: E402
from stagecut.compiler.frontends.torch_module import torch_call  # noqa: E402
from stagecut.compiler.ir.errors import ModelError, StagecutError, UsageError  # noqa: E402

X = np.arange(4, dtype=np.float32).reshape(1, 4)

FACTORIES = """
import torch

class Scaled(torch.nn.Module):
    def forward(self, x, by=1.0, *, more):
        return (x * by + more[0]) if not self.training else None

class Plain(torch.nn.Module):
    def forward(self, x):
        return x + 1

def by_name(): return Scaled(), {"x": torch.ones(1, 4), "by": 2.0, "more": [torch.ones(1, 4)]}
def one_tensor(): return Plain(), torch.zeros(1, 4)
def exported(): return torch.export.export(Plain(), (torch.zeros(1, 4),)), None
def number(): return 3, None

class Minus(torch.nn.Module):
    def forward(self, a, b):
        return a - b

ONE, TWO = torch.zeros(1, 4), torch.ones(1, 4)

def other_order(): return Minus(), {"b": ONE, "a": TWO}
def other_order_exported(): return torch.export.export(Minus(), (ONE, TWO)), {"b": ONE, "a": TWO}
def without_examples(): return Minus(), None
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "called_by_hand.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_inputs_take_the_place_of_the_tensors_among_the_examples(folder: Path) -> None:
    program, args, kwargs = torch_call("called_by_hand:by_name", [X, X + 1])
    np.testing.assert_array_equal(program(*args, **kwargs), 2 * X + X + 1)
    program, args, kwargs = torch_call("called_by_hand:one_tensor", [X])
    np.testing.assert_array_equal(program(*args, **kwargs), X + 1)


def test_exported_programs(folder: Path) -> None:
    program, args, kwargs = torch_call("called_by_hand:exported", [X])
    np.testing.assert_array_equal(program(*args, **kwargs), X + 1)
    double = torch.export.export(torch.nn.Hardtanh(0, 2), (torch.zeros(1, 4),))
    torch.export.save(double, folder / "clipped.pt2")
    program, args, kwargs = torch_call("clipped.pt2", [X])
    np.testing.assert_array_equal(program(*args, **kwargs), X.clip(0, 2))


@pytest.mark.parametrize("name", ["other_order", "other_order_exported"])
def test_inputs_stand_in_the_order_of_the_program_as_the_plan_has_them(
    name: str, folder: Path
) -> None:
    feeds = (np.full((1, 4), 10, np.float32), np.full((1, 4), 1, np.float32))
    spec = f"called_by_hand:{name}"
    assert [*from_factory(spec).feeds] == ["a", "b"]
    program, args, kwargs = torch_call(spec, feeds)
    np.testing.assert_array_equal(program(*args, **kwargs), feeds[0] - feeds[1])


def test_a_model_of_the_zoo() -> None:
    program, args, kwargs = torch_call("zoo:tiny-mlp", [np.zeros((1, 16), np.float32)])
    assert program(*args, **kwargs) is not None


@pytest.mark.parametrize(
    ("spec", "kind", "said"),
    [
        ("model.onnx", UsageError, "is no PyTorch program"),
        ("resnet", UsageError, "is no PyTorch program"),
        ("called_by_hand:number", ModelError, "a int is no PyTorch program"),
        ("called_by_hand:without_examples", ModelError, "there are none"),
        ("called_by_hand:nobody", UsageError, "the module has no 'nobody'"),
        ("nothing.pt2", ModelError, "is not a .pt2 file"),
    ],
)
def test_what_is_no_program(spec: str, kind: type[StagecutError], said: str, folder: Path) -> None:
    with pytest.raises(kind, match=said):
        torch_call(spec, [X])
