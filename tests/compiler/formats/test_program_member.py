"""A model in an archive has all its numbers in itself and in the archive's weight file."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from stagecut.compiler.formats.archive import Archive, ArchiveWriter
from stagecut.compiler.formats.program_member import read_model
from stagecut.compiler.ir.errors import PlanError


def archive_of(path: Path, model: bytes) -> Archive:
    with ArchiveWriter(path) as writer:
        writer.add("stage.onnx", model)
        writer.add("weights.bin", bytes(64))
        writer.seal()
    return Archive(path)


def model_with_weight(location: str) -> bytes:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16"}.items():
        weight.external_data.add(key=key, value=value)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight]
    )
    model: onnx.ModelProto = helper.make_model(graph, ir_version=10)
    found: bytes = model.SerializeToString()
    return found


def test_weights_lie_where_the_file_is_mapped(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a", model_with_weight("weights.bin"))
    model = read_model(archive, "stage.onnx", "compile again")
    assert model.graph.initializers["w"].const_value.numpy().tolist() == [0.0] * 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (b"\xff\xff", "is no ONNX model"),
        (model_with_weight("weights.bin").replace(b"Add", b"A\xffd"), "is not UTF-8"),
        (model_with_weight("/etc/passwd"), "lies outside of weights.bin"),
    ],
)
def test_what_is_wrong_is_told_with_the_reader_s_own_remedy(
    tmp_path: Path, model: bytes, told: str
) -> None:
    archive = archive_of(tmp_path / "a", model)
    with pytest.raises(PlanError, match=told) as error:
        read_model(archive, "stage.onnx", "compile again")
    assert error.value.fix == "compile again"
