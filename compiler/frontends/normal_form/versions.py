"""Which IR and opset versions ONNX Runtime loads, found by trying: it has no list to look up; and
what an operator is in a version.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import cache, partial

import onnx

from stagecut.compiler.frontends.normal_form.ort_inference import output_types
from stagecut.compiler.ir.errors import ModelError

#: Versions that every ONNX Runtime loads that this project runs on.
_IR = 8
_OPSET = 17


@cache
def schema_of(op: str, version: int, domain: str) -> onnx.defs.OpSchema | None:
    """None for an operator, or a version, that the package onnx does not know."""
    try:
        return onnx.defs.get_schema(op, version, domain)
    except onnx.defs.SchemaError:
        return None


def check_ir_version(version: int, source: str) -> None:
    """Raise ModelError when ONNX Runtime does not load models of this IR version."""
    if not _loads(version):
        newest = _newest(_IR, version, _loads)
        raise ModelError(
            f"has IR version {version}, which this ONNX Runtime does not know",
            where=source,
            fix=f"save it with IR version {newest}, or install a newer onnxruntime",
        )


def check_opsets(imports: Mapping[str, int], source: str) -> None:
    """Raise ModelError when ONNX Runtime does not load models of one of these opsets."""
    for domain, version in imports.items():
        if not _loads(_IR, domain, version):
            newest = _newest(1, version, partial(_loads, _IR, domain))
            raise ModelError(
                f"imports opset {version} of {domain or 'ai.onnx'}, "
                "which this ONNX Runtime does not know",
                where=source,
                fix=f"export it with opset {newest}, or install a newer onnxruntime",
            )


def newest_opset() -> int:
    """The newest opset of ONNX's own operators that ONNX Runtime loads."""
    return _newest(_OPSET, onnx.defs.onnx_opset_version() + 1, partial(_loads, _IR, ""))


def _newest(known: int, unknown: int, loads: Callable[[int], bool]) -> int:
    """The last version from `known` on that loads."""
    return known + bisect_left(range(known, unknown), True, key=lambda v: not loads(v)) - 1


@cache
def _loads(ir_version: int, domain: str = "", opset: int = _OPSET) -> bool:

    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    question = onnx.helper.make_model(
        onnx.helper.make_graph([node], "versions", [x], [y]),
        ir_version=ir_version,
        opset_imports=[
            onnx.helper.make_opsetid(name, version)
            for name, version in {"": _OPSET, domain: opset}.items()
        ],
    )
    return output_types(question.SerializeToString()) is not None
