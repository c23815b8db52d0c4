"""ONNX's suites: their cases in one form, and what of them is not run, each with its reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

#: Single cases.
NOT_COMPARED: dict[str, str] = {
    "test_dropout_random_old": "its numbers are random, and the expected ones are others",
    "test_attention_23_boolmask_fullymasked_row_nan_robustness_expanded": (
        "OpenVINO has an answer of its own for rows that are masked whole"
    ),
    "test_attention_4d_causal_fp16_expanded": "half precision, rounded between stages",
}
#: How far off results of a type may be on scattered devices, where the suite asks more of them than
#: float32 can give.
MAY_BE_OFF: dict[tuple[str, str], tuple[float, str]] = {
    **dict.fromkeys(
        (
            ("test_dynamicquantizelinear", "uint8"),
            ("test_dynamicquantizelinear_expanded", "uint8"),
        ),
        (1.0, "the last bit of the scale decides how numbers half way between two are rounded"),
    ),
    ("test_mish_expanded", "float32"): (
        1e-5,
        "log(1 + exp(x)) of a negative x is small beside 1",
    ),
}


def why_not(model: onnx.ModelProto) -> str:
    """Why a whole kind of model is not run; empty where it is."""
    borders = (*model.graph.input, *model.graph.output)
    if any(not value.type.HasField("tensor_type") for value in borders):
        return "sequences and optional values cannot enter or leave a plan"
    return ""


def loaded(case: Any) -> Any:
    """With model and data, also where the suite keeps them in files."""
    if case.model is not None:
        return case
    folder = Path(case.model_dir)
    data = [(_arrays(each, "input"), _arrays(each, "output")) for each in _data_sets(folder)]
    return replace(case, model=onnx.load(folder / "model.onnx"), data_sets=data)


def _data_sets(folder: Path) -> list[Path]:
    return sorted(folder.glob("test_data_set_*"))


def _arrays(folder: Path, kind: str) -> list[Any]:
    paths = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [_array(path) for path in paths]


def _array(path: Path) -> Any:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)
