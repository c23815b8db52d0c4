"""Where tokens come in: by name, or as the only whole numbers."""

import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.decoder.tokens import tokens_input, tokens_of
from stagecut.compiler.ir.errors import ModelError


def _graph(**inputs: list[int | str]) -> ir.Graph:
    values = [
        ir.Value(name=name, type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape(shape))
        for name, shape in inputs.items()
    ]
    return ir.Graph(values, [], nodes=[])


def test_by_name_or_as_the_only_one() -> None:
    assert tokens_input(_graph(other=[1, "n"], input_ids=[1, "n"]), []) == "input_ids"
    assert tokens_input(_graph(prefix=[1, "n"], attention_mask=[1, "n"], at=["n"]), []) == "prefix"
    assert tokens_input(_graph(memory=[1, "n"], prefix=[1, "n"]), ["memory"]) == "prefix"


def test_not_plain() -> None:
    with pytest.raises(ModelError, match="reads tokens as input_ids") as caught:
        tokens_input(_graph(one=[1, "n"], other=[1, "n"]), [])
    assert "its inputs are one, other" in caught.value.fix


def test_their_dimension() -> None:
    assert tokens_of(_graph(prefix=[1, "n"]), "prefix").value == "n"
    with pytest.raises(ModelError, match="with the sequence open"):
        tokens_of(_graph(prefix=[1, 4]), "prefix")
