"""Reading .onnx files: what is read, and what every broken file is told."""

import mmap
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.normal_form.normalise import normalise
from stagecut.compiler.frontends.onnx_file import import_proto, read_onnx
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Tensor, as_array
from stagecut.compiler.ir.errors import ModelError
from tests.support.onnx_models import MODELS, TinyModel
from tests.support.reference import run_reference


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _truncated(keep: Callable[[int], int]) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        whole = MODELS["chain"].proto().SerializeToString()
        return _write(path, whole[: keep(len(whole))])

    return make


def _replaced(old: bytes, new: bytes) -> Callable[[Path], Path]:
    return lambda path: _write(path, MODELS["chain"].proto().SerializeToString().replace(old, new))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _too_large(path: Path) -> Path:
    path.touch()
    os.truncate(path, 2**31)
    return path


def _add_sparse(graph: onnx.GraphProto) -> None:
    values = onnx.numpy_helper.from_array(np.ones(1, np.float32), "few")
    graph.sparse_initializer.add().values.CopyFrom(values)


def _add_sparse_constant(graph: onnx.GraphProto) -> None:
    values = onnx.numpy_helper.from_array(np.ones(1, np.float32), "few")
    places = onnx.numpy_helper.from_array(np.zeros(1, np.int64), "where")
    sparse = onnx.helper.make_sparse_tensor(values, places, [9])
    graph.node.append(onnx.helper.make_node("Constant", [], ["few"], sparse_value=sparse))


def _add_constant_before_its_file(graph: onnx.GraphProto) -> None:
    tensor = onnx.TensorProto(dims=[1], data_type=1, data_location=onnx.TensorProto.EXTERNAL)
    for key, value in {"location": "w.bin", "offset": "-5"}.items():
        tensor.external_data.add(key=key, value=value)
    graph.node.append(onnx.helper.make_node("Constant", [], ["early"], value=tensor))


def _spoilt(spoil: Callable[[onnx.GraphProto], object]) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        proto = MODELS["chain"].proto()
        spoil(proto.graph)
        return _write(path, proto.SerializeToString())

    return make


def _from_text(body: str) -> Callable[[Path], Path]:
    return lambda path: _write(path, TinyModel(body).proto().SerializeToString())


BROKEN = {
    "a file that is not there": (lambda path: path, "No such file"),
    "a folder": (_folder, "Is a directory"),
    "an empty file": (lambda path: _write(path, b""), "graph or its versions are missing"),
    "a text file": (lambda path: _write(path, b"hello, this is text\n" * 9), "is not an ONNX"),
    "random bytes": (
        lambda path: _write(path, random.Random(0).randbytes(4096)),  # noqa: S311
        "is not an ONNX file",
    ),
    "the first half of a model": (_truncated(lambda size: size // 2), "only a part of one"),
    "all of a model but its last byte": (_truncated(lambda size: size - 1), "only a part of one"),
    "a file of more than 2 GiB": (_too_large, "larger than 2 GiB"),
    "a value written twice": (
        _from_text("twice (float[2] x) => (float[2] y) { y = Neg(x)  y = Relu(x) }"),
        "redeclared",
    ),
    "a cycle": (
        _from_text("cycle (float[2] x) => (float[2] y) { y = Add(x, z)  z = Neg(y) }"),
        "cycle",
    ),
    "a sparse weight": (_spoilt(_add_sparse), "'few' is stored sparse"),
    "a sparse constant": (_spoilt(_add_sparse_constant), "'few' is stored sparse"),
    "a constant that begins before its file": (
        _spoilt(_add_constant_before_its_file),
        "offset must be non-negative, got -5",
    ),
    "an operator whose name is no text": (_replaced(b"Relu", b"Re\xff\xff"), "is not UTF-8"),
    "a graph whose name is no text": (_replaced(b"chain", b"ch\xffin"), "is not UTF-8"),
    "a weight with too few numbers": (
        _spoilt(lambda graph: graph.initializer[0].dims.append(2)),
        r"weight 'w' does not hold the numbers of FLOAT\[4,3,2\]",
    ),
    "a weight with numbers of another type": (
        _spoilt(lambda graph: setattr(graph.initializer[0], "data_type", 7)),
        "weight 'w' does not hold the numbers of INT64",
    ),
}


@pytest.mark.parametrize(("make", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused(
    make: Callable[[Path], Path], problem: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=problem) as refused:
        read_onnx(path)
    assert str(path) in refused.value.where
    assert refused.value.fix


def test_no_truncation_loses_a_node(tmp_path: Path) -> None:
    """At most an opset import that nothing needs can get lost without a trace."""
    whole = MODELS["residual"].proto().SerializeToString()
    refused = 0
    for size in range(len(whole)):
        try:
            imported = read_onnx(_write(tmp_path / "model.onnx", whole[:size]))
        except ModelError:
            refused += 1
        else:
            assert len(imported.model.graph) == 5
            assert imported.model.opset_imports[""] == 21
    assert refused > len(whole) - 5


def test_a_file_is_named_after_its_stem(tmp_path: Path) -> None:
    path = _write(tmp_path / "tiny.onnx", MODELS["chain"].proto().SerializeToString())
    imported = read_onnx(path)
    assert (imported.name, imported.source, imported.feeds) == ("tiny", str(path), {})


def test_nodes_are_sorted(tmp_path: Path) -> None:
    unsorted = TinyModel("late (float[2] x) => (float[2] y) { y = Relu(t)  t = Neg(x) }")
    path = _write(tmp_path / "late.onnx", unsorted.proto().SerializeToString())
    assert [node.op_type for node in read_onnx(path).model.graph] == ["Neg", "Relu"]


# ---------------------------------------------------------------- weights in other files


def _with_external_data(folder: Path, *, location: str = "model.data") -> Path:
    """The "chain" model, all of whose weights lie in one other file."""
    path = folder / "model.onnx"
    ir.save(MODELS["chain"].ir(), path, external_data="model.data", size_threshold_bytes=0)
    proto = onnx.load(path, load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    return _write(path, proto.SerializeToString())


def _file_behind(array: Tensor) -> object:
    base: object = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return base.obj if isinstance(base, memoryview) else base


def _weights(model: ir.Model) -> list[Tensor]:
    tensors = [value.const_value for value in model.graph.initializers.values()]
    return [as_array(tensor) for tensor in tensors if tensor is not None]


def test_external_data_is_mapped_and_each_file_once(tmp_path: Path) -> None:
    weights = _weights(read_onnx(_with_external_data(tmp_path)).model)
    files = [_file_behind(array) for array in weights]
    assert len(files) == 2
    assert isinstance(files[0], mmap.mmap)
    assert files[0] is files[1]


def test_external_data_holds_the_same_numbers(tmp_path: Path) -> None:
    mapped = _weights(read_onnx(_with_external_data(tmp_path)).model)
    for array, expected in zip(mapped, _weights(MODELS["chain"].ir()), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_external_data_of_half_bytes_and_of_constants_is_mapped(tmp_path: Path) -> None:
    """Two 4-bit numbers share a byte; a Constant may keep its tensor in another file too."""
    (tmp_path / "model.data").write_bytes(bytes([0x21, 0x43]) + np.float32(5).tobytes())
    proto = TinyModel("""
        small (float[4] x) => (float[4] y) <int4[4] w = {0, 0, 0, 0}>
        { f = Cast<to = 1>(w)  k = Constant<value = float {0}>()  s = Add(f, k)  y = Add(s, x) }
    """).proto()
    _keep_outside(proto.graph.initializer[0], offset=0, length=2)
    _keep_outside(proto.graph.node[1].attribute[0].t, offset=2, length=4)
    path = _write(tmp_path / "model.onnx", proto.SerializeToString())
    program = normalise(read_onnx(path), feeds={"x": np.zeros(4, np.float32)})
    (y,) = run_reference(program.model, program.feeds)
    np.testing.assert_array_equal(y, [6, 7, 8, 9])


def _keep_outside(tensor: onnx.TensorProto, *, offset: int, length: int) -> None:
    for field in ("raw_data", "int32_data", "float_data"):
        tensor.ClearField(field)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, text in {"location": "model.data", "offset": offset, "length": length}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(text)


def _cut_data(folder: Path) -> Path:
    path = _with_external_data(folder)
    os.truncate(folder / "model.data", 50)
    return path


def _remove_data(folder: Path) -> Path:
    path = _with_external_data(folder)
    (folder / "model.data").unlink()
    return path


def _linked_outside(folder: Path) -> Path:
    inside = folder / "inside"
    inside.mkdir()
    path = _with_external_data(inside)
    (inside / "model.data").rename(folder / "secret")
    (inside / "model.data").symlink_to(folder / "secret")
    return path


def _other_length(folder: Path) -> Path:
    path = _with_external_data(folder)
    proto = onnx.load(path, load_external_data=False)
    proto.graph.initializer[0].dims[0] = 5
    return _write(path, proto.SerializeToString())


def _looped(folder: Path) -> Path:
    path = _with_external_data(folder)
    (folder / "model.data").unlink()
    (folder / "model.data").symlink_to("model.data")
    return path


def _zero_byte(folder: Path) -> Path:
    path = _with_external_data(folder)
    return _write(path, path.read_bytes().replace(b"model.data", b"model\0data"))


LOST = {
    "a link leads to itself": (_looped, "model.data' is no file: Symlink loop"),
    "the name has a zero byte": (_zero_byte, "is no file: embedded null byte"),
    "the data file is missing": (_remove_data, "model.data' cannot be read: No such file"),
    "the data file is too short": (_cut_data, "ends at byte 60 of model.data, which has only 50"),
    "a weight is longer than its place": (_other_length, "takes 48 bytes .* needs 60"),
    "the data lies in the folder above": (
        lambda folder: _with_external_data(folder, location="../model.data"),
        "lies outside the model's folder",
    ),
    "the data lies at an absolute path": (
        lambda folder: _with_external_data(folder, location="/etc/hostname"),
        "lies outside the model's folder",
    ),
    "a link leads out of the folder": (_linked_outside, "lies outside the model's folder"),
}


@pytest.mark.parametrize(("make", "problem"), LOST.values(), ids=LOST.keys())
def test_external_data_that_cannot_be_had_is_refused(
    make: Callable[[Path], Path], problem: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(ModelError, match=problem) as refused:
        read_onnx(path)
    assert refused.value.where == f"{path}: weight {'b' if 'ends' in problem else 'w'}"
    assert refused.value.fix


def test_links_into_one_store_are_followed(tmp_path: Path) -> None:
    """The Hugging Face cache: model and data are links to files in a folder beside theirs."""
    store, view = tmp_path / "blobs", tmp_path / "snapshot"
    store.mkdir()
    view.mkdir()
    _with_external_data(store)
    for name in ("model.onnx", "model.data"):
        (store / name).rename(store / f"hash-of-{name}")
        (view / name).symlink_to(store / f"hash-of-{name}")
    assert len(_weights(read_onnx(view / "model.onnx").model)) == 2


def test_a_model_over_2_gib_is_planned_without_reading_its_weights(tmp_path: Path) -> None:
    size = 2**21 * 260 * 4
    proto = TinyModel("""
        huge (int64[2] ids, float[2] x) => (float[2,260] y, float[2] z)
        { y = Gather(table, ids)  z = com.microsoft.FastGelu(x) }
    """).proto()
    table = proto.graph.initializer.add(name="table", data_type=onnx.TensorProto.FLOAT)
    table.dims.extend([2**21, 260])
    _keep_outside(table, offset=0, length=size)
    path = _write(tmp_path / "huge.onnx", proto.SerializeToString())
    data = tmp_path / "model.data"
    data.touch()
    os.truncate(data, size)  # a sparse file: no byte of it is written
    try:
        graph = graph_of(normalise(read_onnx(path)))
    finally:
        data.unlink()
    assert graph.nodes[0].weight_bytes == size > 2**31
    assert [value.shape for value in graph.outputs] == [(2, 260), (2,)]


def test_a_model_in_memory_finds_external_data_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proto = onnx.load(_with_external_data(tmp_path), load_external_data=False)
    monkeypatch.chdir(tmp_path)
    imported = import_proto(proto)
    assert (imported.name, imported.source) == ("chain", "onnx.ModelProto")
    assert len(_weights(imported.model)) == 2
