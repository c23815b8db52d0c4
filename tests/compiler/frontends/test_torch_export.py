"""PyTorch models become ONNX models with the same inputs, names and numbers."""

import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import FunctionType

import numpy as np
import onnx_ir as ir
import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.torch_export import from_file, from_live, from_module
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import ModelError
from tests.support.reference import run_reference
from tests.support.torch_modules import (
    Branches,
    Breaks,
    Difference,
    HandsBack,
    Keyed,
    Linear,
    Nested,
    ReturnsNone,
    ReturnsNothing,
    ReturnsNumber,
    Untranslatable,
    Unused,
)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32))


X, Y = numbers(2, 3), numbers(2, 3, seed=1)


def names(imported: Imported) -> tuple[list[str | None], list[str | None]]:
    graph = imported.model.graph
    return [value.name for value in graph.inputs], [value.name for value in graph.outputs]


def exported(module: nn.Module, *inputs: Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(module, inputs)


def difference() -> torch.export.ExportedProgram:
    return exported(Difference(), X, Y)


def out_of_export() -> nn.Module:
    return exported(Linear().eval(), X).module()


def made(model: object) -> object:
    """What takes a second to make is made in its test, not where tests are collected."""
    return model() if isinstance(model, FunctionType) else model


def called(module: nn.Module, inputs: object) -> list[Tensor]:
    """The tensors that `module` itself returns for `inputs`, in order."""
    inputs = pytree.tree_map_only(np.ndarray, torch.from_numpy, inputs)
    with torch.no_grad():
        match inputs:
            case Mapping():
                returned = module(**inputs)
            case tuple():
                returned = module(*inputs)
            case _:
                returned = module(inputs)
    return [leaf for leaf in pytree.tree_leaves(returned) if leaf is not None]


def assert_agrees(imported: Imported, wanted: list[Tensor], feeds: Feeds | None = None) -> None:
    found = run_reference(imported.model, imported.feeds if feeds is None else feeds)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=1e-6)


KINDS: dict[str, tuple[nn.Module | Callable[[], nn.Module], object, list[str]]] = {
    "one tensor": (Keyed(), X, ["x"]),
    "a tuple": (Difference(), (X, Y), ["left", "right"]),
    "a dict in any order": (Difference(), {"right": Y, "left": X}, ["left", "right"]),
    "a number becomes part of the model": (Difference(), (X, Y, 5.0), ["left", "right"]),
    "nested inputs": (
        Nested(),
        ((X, Y), {"factor": X + 1}),
        ["pair_0", "pair_1", "table_factor"],
    ),
    "an input that nobody reads": (Unused(), (X, Y), ["x", "unused"]),
    "an input that is handed back": (HandsBack(), X, ["x"]),
    "a result that is left out": (ReturnsNone(), X, ["x"]),
    "a tensor that is not contiguous": (Keyed(), numbers(3, 2).T, ["x"]),
    "numpy arrays": (Difference(), {"left": X.numpy(), "right": Y}, ["left", "right"]),
    "a graph module": (torch.fx.symbolic_trace(Linear().eval()), X, ["x"]),
    "a module out of torch.export": (out_of_export, X, ["x"]),
}


@pytest.mark.parametrize(("module", "inputs", "wanted"), KINDS.values(), ids=KINDS.keys())
def test_agrees_with_torch(module: object, inputs: object, wanted: list[str]) -> None:
    module = made(module)
    assert isinstance(module, nn.Module)
    imported = from_live(module, inputs, source="test")
    assert names(imported)[0] == list(imported.feeds) == wanted
    assert_agrees(imported, called(module, inputs))


def test_one_tensor_given_twice_stays_two_inputs() -> None:
    imported = from_live(Difference(), (X, X), source="test")
    assert_agrees(imported, called(Difference(), (X, Y)), {"left": X.numpy(), "right": Y.numpy()})


def test_outputs_are_named_after_keys_also_those_of_inputs_and_inner_values() -> None:
    imported = from_live(Keyed(), X, source="test")
    assert names(imported) == (["x"], ["mul", "x_1", "logits"])


def test_outputs_are_named_as_told() -> None:
    imported = from_module(Keyed(), X, name="m", source="test", outputs=("a", "b", "c"))
    assert names(imported)[1] == ["a", "b", "c"]


def test_a_model_of_transformers_as_it_is() -> None:
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    model = transformers.BertModel(config).eval()
    ids = torch.arange(8).reshape(1, 8)
    inputs = {"attention_mask": torch.ones_like(ids), "input_ids": ids}
    imported = from_live(model, inputs, source="test")
    assert names(imported) == (
        ["input_ids", "attention_mask"],
        ["last_hidden_state", "pooler_output"],
    )
    assert_agrees(imported, called(model, inputs))


def test_exports_for_inference_and_leaves_training_on() -> None:
    module = Linear().train()
    module.layers[0].eval()
    before = [part.training for part in module.modules()]
    imported = from_live(module, X, source="test")
    assert [part.training for part in module.modules()] == before
    assert_agrees(imported, called(module.eval(), X))


def test_feeds_are_copies() -> None:
    x = X.clone()
    imported = from_live(Keyed(), x, source="test")
    x.zero_()
    np.testing.assert_array_equal(imported.feeds["x"], X.numpy())


def test_feeds_keep_a_type_that_numpy_lacks() -> None:
    imported = from_live(Keyed(), X.to(torch.bfloat16), source="test")
    assert imported.feeds["x"].dtype == ir.DataType.BFLOAT16.numpy()
    np.testing.assert_allclose(imported.feeds["x"].astype(np.float32), X.numpy(), rtol=0.01)


def test_no_path_of_this_machine_gets_into_the_model() -> None:
    model = from_live(Linear(), X, source="test").model
    assert b".py" not in ir.to_proto(model).SerializeToString()


def test_program_brings_its_own_inputs() -> None:
    imported = from_live(exported(Difference(), X, Y), source="test")
    np.testing.assert_array_equal(imported.feeds["right"], Y.numpy())
    assert_agrees(imported, called(Difference(), (X, Y)))


def test_program_takes_other_inputs() -> None:
    imported = from_live(exported(Difference(), X, Y), {"right": X, "left": Y}, source="test")
    assert_agrees(imported, called(Difference(), (Y, X)))


def test_dynamic_dimensions_stay_symbolic() -> None:
    dynamic = torch.export.export(
        Linear().eval(), (X,), dynamic_shapes={"x": {0: torch.export.Dim("rows")}}
    )
    imported = from_live(dynamic, source="test")
    shape = imported.model.graph.inputs[0].shape
    assert shape is not None
    assert (shape.is_static(0), shape[1]) == (False, 3)
    assert imported.feeds["x"].shape == (2, 3)
    longer = numbers(7, 3)
    assert_agrees(imported, called(dynamic.module(), longer), {"x": longer.numpy()})


def test_dynamic_number_is_an_input() -> None:
    anything = torch.export.Dim.DYNAMIC
    shapes = {"left": None, "right": None, "scale": anything}
    dynamic = torch.export.export(Difference(), (X, Y, 3), dynamic_shapes=shapes)
    imported = from_live(dynamic, source="test")
    assert imported.feeds["scale"] == 3
    assert_agrees(imported, called(Difference(), (X, Y, 3)))


def test_file_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "difference.pt2"
    torch.export.save(exported(Difference(), X, Y), path)
    imported = from_file(path)
    assert (imported.name, imported.source) == ("difference", str(path))
    assert_agrees(imported, called(Difference(), (X, Y)))


REFUSED: dict[str, tuple[object, object, str, str]] = {
    "control flow on numbers": (Branches(), X, "data-dependent expression", "torch.where"),
    "a module that breaks": (Breaks(), X, "no such luck", "run on its example inputs"),
    "a shape that does not fit": (Linear(), X.T, "torch cannot export it", "example inputs"),
    "an operator unknown to ONNX": (
        Untranslatable(),
        numbers(3, 3),
        "aten.linalg_eig",
        "use operators that ONNX has",
    ),
    "no result": (ReturnsNothing(), X, "returns no tensor", "return what it computes"),
    "a number as the result": (ReturnsNumber(), X, "returns 3", "return tensors only"),
    "no inputs": (Linear(), None, "there are none", "pass example_inputs"),
    "too few inputs": (
        Difference(),
        X,
        "missing a required argument: 'right'",
        "it takes (left, right, scale)",
    ),
    "too many inputs": (Linear(), (X, X), "too many positional arguments", "it takes (x)"),
    "an input of another name": (Linear(), {"y": X}, "missing a required argument: 'x'", "(x)"),
    "a program's inputs nested otherwise": (
        difference,
        ((X, X), Y),
        "hold 3 values, and it takes 2",
        "nest them",
    ),
    "a program's input of another size": (
        difference,
        (X, Y[:1]),
        "takes FLOAT[2,3], and the example is FLOAT[1,3]",
        "dynamic_shapes",
    ),
    "a program's input of another rank": (
        difference,
        (X[0], Y),
        "takes FLOAT[2,3], and the example is FLOAT[3]",
        "dynamic_shapes",
    ),
    "a program's input of another type": (
        difference,
        (X, Y.double()),
        "takes FLOAT[2,3], and the example is DOUBLE[2,3]",
        "give an example that fits",
    ),
    "not a model at all": (object(), X, "a object is not a model", "give an nn.Module"),
}


@pytest.mark.parametrize(
    ("model", "inputs", "problem", "fix"), REFUSED.values(), ids=REFUSED.keys()
)
def test_refused(model: object, inputs: object, problem: str, fix: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_live(made(model), inputs, source="the model")
    assert problem in caught.value.problem
    assert "\n" not in caught.value.problem
    assert caught.value.where.startswith("the model")
    assert fix in caught.value.fix


class _Counts(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, object]:
        return {"y": x + 1, "about": (x - 1, 7)}


def test_what_is_no_tensor_is_told_where_it_stands() -> None:
    for model, place in ((ReturnsNumber(), "[1]"), (_Counts(), "['about'][1]")):
        with pytest.raises(ModelError) as caught:
            from_live(model, X, source="the model")
        assert caught.value.where == f"the model, output{place}"


FILES: dict[str, bytes | slice] = {
    "an empty file": b"",
    "a text": b"not a model\n" * 100,
    "the first half of one": slice(0, 1500),
    "the start cut off": slice(700, None),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_unreadable_file(content: bytes | slice, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    torch.export.save(exported(Linear(), X), path)
    path.write_bytes(path.read_bytes()[content] if isinstance(content, slice) else content)
    with pytest.raises(ModelError, match=r"is not a \.pt2 file that torch .* can read") as caught:
        from_file(path)
    assert caught.value.where == str(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        from_file(tmp_path / "missing.pt2")


def test_nothing_is_printed_and_nothing_stays_silenced(capfd: pytest.CaptureFixture[str]) -> None:
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "transformers")]
    before = [logger.level for logger in loggers], list(warnings.filters), sys.stderr
    from_live(Linear(), X, source="test")
    with pytest.raises(ModelError):
        from_live(Branches(), X, source="test")
    assert capfd.readouterr() == ("", "")
    assert ([logger.level for logger in loggers], list(warnings.filters), sys.stderr) == before


def test_missing_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "stagecut.compiler.frontends.torch_export")
    with pytest.raises(ModelError, match="torch is not installed") as caught:
        import_module("stagecut.compiler.frontends.torch_export")
    assert caught.value.fix == "pip install 'stagecut[torch]'"
