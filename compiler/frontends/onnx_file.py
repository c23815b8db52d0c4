"""Read an .onnx file: the graph into memory; weights in other files stay there, and are mapped."""

import errno
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx_ir.passes.common import TopologicalSortPass

from stagecut.compiler.formats.model_tensors import tensors
from stagecut.compiler.formats.proto_text import not_text
from stagecut.compiler.formats.whole_file import read_whole
from stagecut.compiler.frontends.external_data import map_external_data
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.other_outputs import without_maps
from stagecut.compiler.frontends.quiet import quiet
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.text import path_text

#: The key under which a tensor names the file that it lies in.
_LOCATION = b"location"


def read_onnx(path: Path) -> Imported:
    """Read the model in `path`; raises ModelError where it is no sound ONNX model."""
    model, left_out = _deserialise(_parse(_content(path), path), str(path))
    map_external_data(model, path)
    return Imported(path_text(path.stem), model, {}, path_text(path), left_out=left_out)


def import_proto(proto: onnx.ModelProto) -> Imported:
    """Take a model in memory; external data is looked for in the working directory."""
    source = "onnx.ModelProto"
    model, left_out = _deserialise(proto, source)
    map_external_data(model, Path("model.onnx"))
    return Imported(proto.graph.name or "model", model, {}, source, left_out=left_out)


def data_files(path: Path) -> tuple[Path, ...]:
    """The other files that the model in `path` keeps weights in; none where it is no ONNX model."""
    if path.suffix.lower() != ".onnx":  # as `load.py` tells them; it may be large
        return ()
    try:
        content = _content(path)
        if _LOCATION not in content:  # most models, which need not be parsed twice
            return ()
        model, _ = _deserialise(_parse(content, path), str(path))
    except ModelError:
        return ()
    external = (
        kept.tensor for kept in tensors(model) if isinstance(kept.tensor, ir.ExternalTensor)
    )
    return tuple(path.parent / place for place in dict.fromkeys(str(e.location) for e in external))


def _content(path: Path) -> bytes:
    try:
        return read_whole(path)
    except (OSError, ValueError) as error:  # a name with a zero byte is of no file
        if getattr(error, "errno", None) == errno.EFBIG:
            raise ModelError(
                "is larger than 2 GiB, which no ONNX file can be",
                where=str(path),
                fix="save the model with its weights as external data",
            ) from error
        raise ModelError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}",
            where=str(path),
            fix="MODEL is the path of an .onnx file",
        ) from error


def _parse(content: bytes, path: Path) -> onnx.ModelProto:
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(content)
    except DecodeError as error:
        raise ModelError(
            "is not an ONNX file, or only a part of one",
            where=str(path),
            fix="export, copy or download it again",
        ) from error
    return proto


def _deserialise(proto: onnx.ModelProto, source: str) -> tuple[ir.Model, Mapping[str, str]]:
    """The model, and its outputs that onnx_ir cannot hold, with their types."""
    if not (proto.ir_version and proto.opset_import and proto.HasField("graph")):
        raise ModelError(
            "is not an ONNX model, or only a part of one: its graph or its versions are missing",
            where=source,
            fix="export, copy or download it again",
        )
    text = not_text(proto)
    if text is not None:
        raise ModelError(
            f"{text!r} in it is not UTF-8",
            where=source,
            fix="the file is damaged: export, copy or download it again",
        )
    if proto.graph.sparse_initializer:
        raise _stored_sparse(proto.graph.sparse_initializer[0].values.name, source)
    proto, left_out = without_maps(proto, source)
    try:
        with quiet("onnx_ir"):
            model = ir.from_proto(proto)
        TopologicalSortPass()(model)
    except (ir.serde.SerdeError, ValueError) as error:
        for name in _sparse(proto.graph.node):
            raise _stored_sparse(name, source) from error
        raise ModelError(
            f"contradicts itself: {_root(error)}",
            where=source,
            fix="check it with onnx.checker.check_model and export it again",
        ) from error
    _check_numbers(model, source)
    return model, left_out


def _check_numbers(model: ir.Model, source: str) -> None:
    """Raise ModelError for a weight in the file with more or fewer numbers than its shape says."""
    for graph in model.graphs():
        for name, value in graph.initializers.items():
            tensor = value.const_value
            if not isinstance(tensor, ir.TensorProtoTensor | ir.StringTensor):
                continue  # in another file, where its place has a length
            told = "of its type"
            try:
                told = f"of {tensor.dtype}{tensor.shape}"
                tensor.numpy()  # a view of the file's bytes, where it holds the numbers as bytes
            except (ValueError, TypeError, AssertionError) as error:
                raise ModelError(
                    f"weight {name!r} does not hold the numbers {told}",
                    where=source,
                    fix="export the model again",
                ) from error


def _stored_sparse(name: str, source: str) -> ModelError:
    return ModelError(
        f"weight {name!r} is stored sparse", where=source, fix="store it as a dense initializer"
    )


def _sparse(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """What constants that are stored sparse are called."""
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("sparse_tensor"):
                yield "".join(node.output[:1])
            for body in (attribute.g, *attribute.graphs):
                yield from _sparse(body.node)


def _root(error: BaseException) -> BaseException:
    """What went wrong first; onnx_ir stumbles over the errors of others."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return error if before is None else _root(before)
