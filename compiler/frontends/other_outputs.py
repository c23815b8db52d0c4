"""Outputs that are no tensors, such as the ZipMap that classifiers end in: a plan leaves them out.

    (label: int64[n], probabilities: sequence(map(int64, float32)))   ->   (label: int64[n])

What only they need is left out, too. onnx_ir knows no maps, so that these go before it reads the
model.
"""

from collections.abc import Iterable, Iterator, Mapping

import onnx
import onnx_ir as ir

from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.ir.errors import ModelError

_FIX = "let it hand back tensors; skl2onnx does so with options={'zipmap': False}"


def other_outputs(outputs: Iterable[ir.Value]) -> Mapping[str, str]:
    """Those that the model declares to be no tensors, with their types."""
    return {
        str(value.name): _text(ir.serde.serialize_type(value.type))
        for value in outputs
        if isinstance(value.type, ir.SequenceType | ir.OptionalType | ir.SparseTensorType)
    }


def check_some_output(imported: Imported) -> None:
    """Raises ModelError where nothing is left to hand back."""
    outputs = {value.name for value in imported.model.graph.outputs}
    if not outputs and not imported.left_out:
        raise ModelError(
            "it hands back nothing", where=imported.source, fix="let it have an output"
        )
    if imported.left_out and imported.left_out.keys() >= outputs:
        told = ", ".join(f"{name} is a {kind}" for name, kind in imported.left_out.items())
        raise ModelError(f"it hands back no tensor: {told}", where=imported.source, fix=_FIX)


def without_maps(proto: onnx.ModelProto, source: str) -> tuple[onnx.ModelProto, Mapping[str, str]]:
    """`proto` without what it says about maps, and its outputs that are, with their types.

    `proto` itself stays as it is. Raises ModelError for an input that is a map.
    """
    if not any(_is_map(info.type) for info in _infos(proto.graph)):
        return proto, {}
    for info in proto.graph.input:
        if _is_map(info.type):
            raise ModelError(
                f"its type is {_text(info.type)}, and only tensors can be fed",
                where=f"{source}, input {info.name}",
                fix="export the model with tensors as its inputs",
            )
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    left_out = {info.name: _text(info.type) for info in proto.graph.output if _is_map(info.type)}
    for infos in (copy.graph.output, copy.graph.value_info):
        kept = [info for info in infos if not _is_map(info.type)]
        del infos[:]
        infos.extend(kept)
    return copy, left_out


def _infos(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info


def _is_map(kind: onnx.TypeProto) -> bool:
    match kind.WhichOneof("value"):
        case "map_type":
            return True
        case "sequence_type":
            return _is_map(kind.sequence_type.elem_type)
        case "optional_type":
            return _is_map(kind.optional_type.elem_type)
    return False


def _text(kind: onnx.TypeProto) -> str:
    """`sequence(map(int64, float))`"""
    match kind.WhichOneof("value"):
        case "map_type":
            return f"map({_element(kind.map_type.key_type)}, {_text(kind.map_type.value_type)})"
        case "sequence_type":
            return f"sequence({_text(kind.sequence_type.elem_type)})"
        case "optional_type":
            return f"optional({_text(kind.optional_type.elem_type)})"
        case "sparse_tensor_type":
            return f"sparse({_element(kind.sparse_tensor_type.elem_type)})"
    return _element(kind.tensor_type.elem_type)


def _element(code: int) -> str:
    return ir.DataType(code).name.lower()
