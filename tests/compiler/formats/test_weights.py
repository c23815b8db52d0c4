"""The weights of models in one file: each once, aligned, the small ones left in the models."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.compiler.formats.weights import FILE_NAME, model_bytes, put_in_place, write_weights
from stagecut.compiler.ir.device import as_array
from tests.support.quantised import quantised_tensor

LARGE = np.arange(512, dtype=np.float32)


def _model(**weights: np.ndarray) -> ir.Model:
    values = [ir.Value(name=name, const_value=ir.tensor(array)) for name, array in weights.items()]
    return ir.Model(ir.Graph([], [], nodes=[], initializers=values, name="g"), ir_version=10)


def test_equal_weights_are_stored_once_and_read_back(tmp_path: Path) -> None:
    one = _model(a=LARGE, b=LARGE + 1, small=LARGE[:4])
    other = _model(c=LARGE, d=LARGE + 2)
    first, second = write_weights([one, other], tmp_path)
    assert (tmp_path / FILE_NAME).stat().st_size == 3 * LARGE.nbytes
    assert first.places["a"] == second.places["c"]
    assert "small" not in first.places
    assert first.sha256 != second.sha256
    for model, file in ((one, first), (other, second)):
        before = {name: as_array(tensor) for name, tensor in _weights(model)}
        file.refer(model.graph)
        for name, tensor in _weights(model):
            assert isinstance(tensor, ir.ExternalTensor) == (name != "small")
            np.testing.assert_array_equal(as_array(tensor), before[name])


def test_weights_begin_where_vector_registers_like_it(tmp_path: Path) -> None:
    [file] = write_weights([_model(a=np.ones(257, np.float32), b=LARGE)], tmp_path)
    assert [place.offset % 64 for place in file.places.values()] == [0, 0]


def test_weights_in_few_bits_lie_there_as_their_numbers(tmp_path: Path) -> None:
    few = quantised_tensor("w", inner=64, outer=160)
    narrow = quantised_tensor("v", inner=3, outer=2)
    values = [ir.Value(name=str(each.name), const_value=each) for each in (few, narrow)]
    model = ir.Model(ir.Graph([], [], nodes=[], initializers=values, name="g"), ir_version=10)
    before = {name: as_array(tensor) for name, tensor in _weights(model)}
    [file] = write_weights([model], tmp_path)
    assert [*file.places] == ["w/values", "w/scales"]
    assert (tmp_path / FILE_NAME).stat().st_size == 64 * 160 // 2 + 4 * 2 * 160
    file.refer(model.graph)
    again = ir.from_proto(onnx.load_model_from_string(model_bytes(model)))
    assert put_in_place(again, file.region) is None
    for name, tensor in _weights(again):
        assert isinstance(tensor, QuantisedTensor)
        assert isinstance(tensor.matrix.values, MappedTensor) == (name == "w")
        np.testing.assert_array_equal(as_array(tensor), before[name])


def test_all_of_it_can_be_read_whatever_its_size(tmp_path: Path) -> None:
    each: tuple[dict[str, np.ndarray], ...] = ({}, {"a": np.ones(1027, np.uint8)}, {"a": LARGE})
    for number, weights in enumerate(each):
        (tmp_path / str(number)).mkdir()
        [file] = write_weights([_model(**weights)], tmp_path / str(number))
        file.read()


def _weights(model: ir.Model) -> Iterator[tuple[str, ir.TensorProtocol]]:
    for name, value in model.graph.initializers.items():
        assert value.const_value is not None
        yield name, value.const_value


def test_a_model_that_was_read_again_finds_its_weights(tmp_path: Path) -> None:
    model = _model(a=LARGE, b=LARGE + 1, small=LARGE[:4])
    [file] = write_weights([model], tmp_path)
    file.refer(model.graph)
    again = ir.from_proto(onnx.load_model_from_string(model_bytes(model)))
    assert put_in_place(again, file.region) is None
    for name, tensor in _weights(again):
        np.testing.assert_array_equal(as_array(tensor), as_array(dict(_weights(model))[name]))
    short = ir.from_proto(onnx.load_model_from_string(model_bytes(model)))
    assert (
        put_in_place(short, file.region[: LARGE.nbytes]) == "weight b lies outside of weights.bin"
    )
