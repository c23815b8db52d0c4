"""The ONNX form of a torch program is compared with the program."""

from collections.abc import Callable

import numpy as np
import onnx
import onnx.parser
import onnx.shape_inference
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from stagecut.compiler.frontends import torch_export
from stagecut.compiler.frontends.torch_check import check
from stagecut.compiler.frontends.torch_effects import Stateless
from stagecut.compiler.frontends.torch_export import from_live
from stagecut.compiler.ir.errors import ModelError
from tests.support.torch_modules import Counter

X = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 3), np.float32))


class Step(nn.Module):
    """One function of a tensor."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Tensor) -> Tensor:
        return self._function(x)


#: What ONNX calls the types.
TYPES = {torch.float32: "float", torch.float16: "float16", torch.int64: "int64"}


def compare(body: str, function: Callable[[Tensor], Tensor], x: Tensor) -> str:
    """Check an ONNX graph from x to y, whose nodes are `body`, against a function of torch's."""
    shape = ",".join(map(str, x.shape))
    text = f"""<ir_version: 10, opset_import: ["": 20]>
        graph ({TYPES[x.dtype]}[{shape}] x) => (y) {{ {body} }}"""
    model = ir.from_proto(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))
    program = Stateless(torch.export.export(Step(function), (x,)), ())
    return check(model, program, {"x": x}, "test")


SAME, DOUBLE = "y = Identity(x)", "y = Add(x, x)"

WRONG: dict[str, tuple[str, Callable[[Tensor], Tensor], Tensor, str]] = {
    "numbers": (
        SAME,
        lambda x: x * 1.01,
        X,
        "it is off by 0.0139, where torch's largest number is 1.4, which allows for 0.0014",
    ),
    "numbers that zeros do not tell": (DOUBLE, lambda x: x * 3, 0 * X, "it is off by"),
    "whole numbers": (SAME, lambda x: x.clamp(max=2), torch.arange(4), "1 of 4 numbers are not"),
    "truth values": ("y = IsNaN(x)", lambda x: x > -9, X, "12 of 12 numbers are not torch's"),
    "a type": (SAME, lambda x: x.double(), X, "float32 of shape (4, 3), and torch's is float64"),
    "a shape": (SAME, lambda x: x.T, X, "and torch's is float32 of shape (3, 4)"),
    "infinity": (SAME, lambda x: x / 0, X, "NaN or infinite where torch's is not"),
    "NaN": ("y = Sqrt(x)", lambda x: x.abs().sqrt(), X, "NaN or infinite where torch's is not"),
}


@pytest.mark.parametrize(("body", "function", "x", "problem"), WRONG.values(), ids=WRONG.keys())
def test_a_difference_is_an_error(
    body: str, function: Callable[[Tensor], Tensor], x: Tensor, problem: str
) -> None:
    with pytest.raises(ModelError, match="torch's translation to ONNX is wrong here") as caught:
        compare(body, function, x)
    assert problem in caught.value.problem
    assert caught.value.where == "test, output y"
    assert "an .onnx file is taken as it is" in caught.value.fix


RIGHT: dict[str, tuple[str, Callable[[Tensor], Tensor], Tensor]] = {
    "a rounding": (SAME, lambda x: x * 1.0001, X),
    "a rounding of what cancels out": ("y = Sub(x, x)", lambda x: x * 0 + 1e-7, X),
    "NaN in the same places": ("y = Sqrt(x)", lambda x: x.sqrt(), X),
    "infinity in the same places": ("r = Relu(x) y = Reciprocal(r)", lambda x: 1 / x.relu(), X),
    "nothing at all": (DOUBLE, lambda x: x * 3, X[:0]),
    "half precision": (SAME, lambda x: x * 1.003, X.half()),
    "ones, where random numbers break it": (
        SAME,
        lambda x: torch.linalg.cholesky(2 - x * x),
        torch.ones(1, 1),
    ),
}


@pytest.mark.parametrize(("body", "function", "x"), RIGHT.values(), ids=RIGHT.keys())
def test_rounding_is_no_difference(
    body: str, function: Callable[[Tensor], Tensor], x: Tensor
) -> None:
    assert compare(body, function, x) == ""


def test_what_onnx_runtime_cannot_run_is_said_not_to_be_checked() -> None:
    unchecked = compare("y = BitwiseNot(x)", lambda x: x, X)
    assert "BitwiseNot" in unchecked


def test_a_program_that_does_not_run_on_its_inputs_is_refused() -> None:
    with pytest.raises(ModelError, match="torch cannot run it on its example inputs"):
        compare(SAME, torch.linalg.cholesky, -torch.eye(3))


def test_a_translation_that_is_wrong_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    translate = torch_export._translate

    def wrongly(
        program: torch.export.ExportedProgram, source: str
    ) -> tuple[ir.Model, torch.export.ExportedProgram]:
        model, functional = translate(program, source)
        next(node for node in model.graph if node.op_type == "Add").op_type = "Sub"
        return model, functional

    monkeypatch.setattr(torch_export, "_translate", wrongly)
    with pytest.raises(ModelError, match="wrong here: it is off by") as caught:
        from_live(Step(lambda x: x + x.exp()), X, source="test")
    assert caught.value.where == "test, output add"


RANDOM = {
    "dropout": nn.Dropout(0.5).train(),
    "random numbers": Step(lambda x: x + torch.rand(3)),
    "an attention's dropout, which the ONNX form leaves out": Step(
        lambda x: nn.functional.scaled_dot_product_attention(
            x[None, None], x[None, None], x[None, None], dropout_p=0.5
        )
    ),
}


@pytest.mark.parametrize("module", RANDOM.values(), ids=RANDOM.keys())
def test_random_programs_are_refused_and_draw_nothing(module: nn.Module) -> None:
    program = torch.export.export(module, (X,))
    before = torch.get_rng_state()
    with pytest.raises(ModelError, match="draws random numbers"):
        from_live(program, source="test")
    assert torch.equal(torch.get_rng_state(), before)


def test_changes_that_torch_does_not_tell_of_are_refused_and_not_made() -> None:
    norm = nn.InstanceNorm1d(4, track_running_stats=True).train()
    mean = norm.running_mean
    program = torch.export.export(norm, (torch.stack([X, X + 1]),))
    with pytest.raises(ModelError, match="does not tell") as caught:
        from_live(program, source="test")
    assert caught.value.where == "test, running_mean"
    assert mean is not None
    assert not mean.any()


def test_a_check_leaves_the_module_as_it_was() -> None:
    counter = Counter()
    version = counter.n._version
    from_live(counter, X, source="test")
    assert (counter.n.item(), counter.n._version) == (0, version)
