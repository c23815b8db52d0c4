"""What no engine could run is refused by name, before anything is done with it."""

import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.normal_form.verify import verify
from stagecut.compiler.frontends.quiet import quiet
from stagecut.compiler.ir.errors import ModelError
from tests.support.onnx_models import MODELS


def _model(body: str, *, ir_version: int = 10, opsets: str = '"": 21') -> ir.Model:
    header = f"<ir_version: {ir_version}, opset_import: [{opsets}]>\n"
    with quiet("onnx_ir"):
        return ir.from_proto(onnx.parser.parse_model(header + body))


RELU = "g (float[2] x) => (float[2] y) { [n] y = Relu(x) }"

REFUSED = {
    "an IR version from the future": (
        _model(RELU, ir_version=99),
        "file: has IR version 99",
        "save it with IR version",
    ),
    "an opset from the future": (
        _model(RELU, opsets='"": 99'),
        "file: imports opset 99 of ai.onnx",
        "export it with opset",
    ),
    "a contributed opset from the future": (
        _model(RELU, opsets='"": 21, "com.microsoft": 9'),
        "file: imports opset 9 of com.microsoft",
        "export it with opset 1,",
    ),
    "an operator that nobody defines": (
        _model(RELU.replace("Relu", "Rellu")),
        "node n (Rellu of ai.onnx): neither ONNX, ONNX Runtime nor the model itself",
        "did you mean 'Relu'?",
    ),
    "a domain that nobody knows": (
        _model(RELU.replace("Relu", "acme.Magic"), opsets='"": 21, "acme": 1'),
        "node n (Magic of acme): neither",
        "define it as a function in the model",
    ),
    "a domain that is not imported": (
        _model(RELU.replace("Relu", "com.microsoft.Gelu")),
        "node n (Gelu of com.microsoft): the model does not import the domain com.microsoft",
        "add an opset import of com.microsoft, version 1",
    ),
    "an operator with too few inputs": (
        _model(RELU.replace("Relu(x)", "MatMul(x)")),
        "node n (MatMul of ai.onnx): has 1 input, not 2",
        "onnx.checker.check_model",
    ),
    "an operator with too many outputs": (
        _model(RELU.replace("y = Relu", "y, z = Relu")),
        "node n (Relu of ai.onnx): has 2 outputs, not 1",
        "onnx.checker.check_model",
    ),
    "an attribute of another type": (
        _model(RELU.replace("Relu(x)", "Transpose <perm = 1.5> (x)")),
        "node n (Transpose of ai.onnx): its attribute perm is of type float, not ints",
        "onnx.checker.check_model",
    ),
    "an operator newer than the opset": (
        _model(RELU.replace("Relu", "Gelu"), opsets='"": 13'),
        "node n (Gelu of ai.onnx): the operator exists since opset 20, the model imports 13",
        "convert the model to opset 20",
    ),
    "an unknown operator in a body": (
        _model("""
            g (bool c) => (float y)
            { y = If(c) < then_branch = a () => (float t) { [in] t = Nope() },
                          else_branch = b () => (float e) { e = Constant<value_float = 1.0>() } >
            }
        """),
        "node in (Nope of ai.onnx): neither",
        "define it as a function",
    ),
    "an unknown operator in a function": (
        _model(
            """
            g (float[2] x) => (float[2] y) { y = local.f(x) }
            <domain: "local", opset_import: ["": 21]> f (a) => (b) { [in] b = Nope(a) }
            """,
            opsets='"": 21, "local": 1',
        ),
        "node in (Nope of ai.onnx): neither",
        "define it as a function",
    ),
    "a value that nothing writes": (
        _model(RELU.replace("(x) }", "(z) }")),
        "node n (Relu): reads 'z', which nothing before it writes",
        "sort the nodes",
    ),
    "a value that is written too late": (
        _model("g (float[2] x) => (float[2] y) { [n] y = Relu(t)  t = Neg(x) }"),
        "node n (Relu): reads 't', which nothing before it writes",
        "sort the nodes",
    ),
    "an output that nothing writes": (
        _model(RELU.replace("float[2] y)", "float[2] z)")),
        "graph g: nothing in the graph writes its output 'z'",
        "remove the output",
    ),
}


@pytest.mark.parametrize(("model", "problem", "fix"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(model: ir.Model, problem: str, fix: str) -> None:
    with pytest.raises(ModelError) as refused:
        verify(model, "file")
    assert str(refused.value).startswith(problem)
    assert fix in refused.value.fix


@pytest.mark.parametrize("name", MODELS)
def test_a_sound_model_passes(name: str) -> None:
    verify(MODELS[name].ir(), "file")


def test_a_weight_without_numbers_is_refused() -> None:
    model = MODELS["chain"].ir()
    model.graph.initializers["w"].const_value = None
    with pytest.raises(ModelError, match="weight 'w' has no numbers"):
        verify(model, "file")
