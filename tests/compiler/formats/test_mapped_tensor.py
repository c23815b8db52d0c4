"""A tensor in a mapped file: its numbers, its bytes, and that none of them is copied."""

import io
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler.formats.kept_file import KeptFile
from stagecut.compiler.formats.mapped_tensor import MappedTensor


def _mapped(folder: Path, content: bytes, dtype: ir.DataType, *shape: int) -> MappedTensor:
    """The tensor after the first four bytes of a file."""
    path = folder / "data"
    path.write_bytes(b"head" + content)
    return MappedTensor(KeptFile(path).mapped, "data", 4, dtype, ir.Shape(shape), "w")


def test_numbers_are_those_in_the_file(tmp_path: Path) -> None:
    expected = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = _mapped(tmp_path, expected.tobytes(), ir.DataType.FLOAT, 2, 3)
    np.testing.assert_array_equal(tensor.numpy(), expected)
    np.testing.assert_array_equal(np.asarray(tensor), expected)
    assert tensor.tobytes() == expected.tobytes()
    tensor.tofile(copy := io.BytesIO())
    assert copy.getvalue() == expected.tobytes()


def test_several_numbers_in_a_byte_are_taken_apart(tmp_path: Path) -> None:
    tensor = _mapped(tmp_path, bytes([0x21, 0x03]), ir.DataType.UINT4, 3)
    assert tensor.length == 2
    assert tensor.numpy().astype(int).tolist() == [1, 2, 3]


def test_arrays_share_the_map_and_cannot_be_written_to(tmp_path: Path) -> None:
    tensor = _mapped(tmp_path, bytes(8), ir.DataType.FLOAT, 2)
    array = tensor.numpy()
    assert np.shares_memory(array, np.frombuffer(tensor.region, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_as_onnx_it_is_a_reference(tmp_path: Path) -> None:
    proto = ir.to_proto(_mapped(tmp_path, bytes(8), ir.DataType.FLOAT, 2))
    places = {entry.key: entry.value for entry in proto.external_data}
    assert places == {"location": "data", "offset": "4", "length": "8"}
    assert not proto.raw_data
