"""Read the ONNX model in a member of an archive, whose weights lie in the archive's weight file."""

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from stagecut.compiler.formats import weights
from stagecut.compiler.formats.archive import Archive
from stagecut.compiler.formats.program_check import model_problems
from stagecut.compiler.formats.proto_text import not_text
from stagecut.compiler.ir.errors import PlanError


def read_model(archive: Archive, file: str, fix: str) -> ir.Model:
    """The model in the member `file`. Raises PlanError, with `fix`, for one that is none, or whose
    numbers lie anywhere but in itself and in the archive's weight file."""
    where = f"{archive.path}: {file}"
    try:
        proto = onnx.load_model_from_string(archive.read(file))
        text = not_text(proto)
        if text is not None:
            raise PlanError(f"has {text!r}, which is not UTF-8", where=where, fix=fix)
        model = ir.from_proto(proto)
    except (DecodeError, ValueError, NotImplementedError, ir.serde.SerdeError) as error:
        # no protobuf, or one with tensors and types that onnx_ir does not know
        raise PlanError("is no ONNX model", where=where, fix=fix) from error
    problem = next(model_problems(model), None)
    if problem is not None:
        raise PlanError(problem, where=where, fix=fix)
    problem = weights.put_in_place(model, archive.mapped(weights.FILE_NAME))
    if problem is not None:
        raise PlanError(problem, where=where, fix=fix)
    return model
