"""Ranges stay with their nodes, and what is none is nobody's."""

import math

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut.compiler.formats.node_ranges import (
    Range,
    copy_ranges,
    put_ranges,
    range_of,
    read_range,
    written_range,
)
from tests.support.nodes import sample

W = np.ones((4, 5), np.float32)


def _model() -> ir.Model:
    text = "(float[3, 4] x) => (float[3, 5] y) { h = MatMul(x, w) y = Relu(h) }"
    return sample(text, w=W).stage.model.clone()


def test_nodes_know_what_they_read_and_write_in_a_file_too() -> None:
    model = _model()
    put_ranges(model, {"x": Range(-0.1, 1 / 3), "h": Range(-1, 2)})
    read = ir.from_proto(onnx.load_model_from_string(ir.to_proto(model).SerializeToString()))
    for each in (model, read, model.clone()):
        product, relu = each.graph
        assert (read_range(product), written_range(product)) == (Range(-0.1, 1 / 3), Range(-1, 2))
        assert (read_range(relu), written_range(relu)) == (Range(-1, 2), None)


def test_ranges_go_to_the_nodes_that_write_the_same() -> None:
    source, target = _model(), _model()
    put_ranges(source, {"h": Range(-1, 2)})
    copy_ranges(source.graph, target.graph)
    product, relu = target.graph
    assert written_range(product) == read_range(relu) == Range(-1, 2)
    assert read_range(product) is None


@pytest.mark.parametrize("text", ["", "1", "a b", "2 1", "nan nan", "0 inf", "1 2 3"])
def test_what_is_no_range_is_none(text: str) -> None:
    model = _model()
    product, _ = model.graph
    product.metadata_props["stagecut.reads"] = text
    assert read_range(product) is None


def test_a_range_holds_all_numbers() -> None:
    assert Range(-1, 2) | Range(0, 3) == Range(-1, 3)
    assert range_of(np.array([[3, -1], [2, 0]], np.float32)) == Range(-1, 3)
    for none in (np.zeros(0), np.array([1, math.nan]), np.array([math.inf, 0])):
        assert range_of(none) is None
    with pytest.raises(ValueError, match="no numbers"):
        Range(2, 1)
