"""OpenVINO GenAI's own pipeline on FOLDER/openvino.f32, or on what nncf makes of it in few bits.

Read by child.py, in an environment that has none of stagecut.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset15

_MODEL, _DETOKENIZER = "openvino_model.xml", "openvino_detokenizer.xml"


def pipeline(folder: Path, precision: str) -> Any:
    """An LLMPipeline on all CPUs, all but weights in float32."""
    import openvino_genai

    model = folder / f"openvino.{precision}"
    if not model.exists():
        _compress(folder / "openvino.f32" / _MODEL, model, precision)
    if not (model / _DETOKENIZER).exists():
        openvino.save_model(_detokenizer(), model / _DETOKENIZER)
    for name in ("config.json", "generation_config.json"):
        if (folder / "weights" / name).exists():
            shutil.copy(folder / "weights" / name, model)
    return openvino_genai.LLMPipeline(
        str(model),
        "CPU",
        {
            "ATTENTION_BACKEND": "SDPA",
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f32",
            "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0)),
            "PERFORMANCE_HINT": "LATENCY",
        },
    )


def _compress(full: Path, made: Path, precision: str) -> None:
    """Every weight, symmetric; 4 bits in groups of 128."""
    import nncf

    model = openvino.Core().read_model(full)
    if precision == "int8":
        few = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    else:
        mode = nncf.CompressWeightsMode.INT4_SYM
        few = nncf.compress_weights(model, mode=mode, group_size=128, all_layers=True)
    whole = made.with_suffix(".part")
    openvino.save_model(few, whole / _MODEL, compress_to_fp16=False)
    whole.rename(made)


def _detokenizer() -> Any:
    """Of nothing but empty texts: tokens are what is looked at, and a pipeline asks for one."""
    ids = opset15.parameter([-1, -1], openvino.Type.i64, name="ids")
    zero = opset15.constant(np.int64(0))
    shape = opset15.shape_of(ids, output_type="i64")
    rows = opset15.gather(shape, opset15.constant(np.array([0])), zero)
    ends = opset15.broadcast(opset15.constant(np.int32(0)), rows)
    texts = opset15.string_tensor_pack(ends, ends, opset15.constant(np.zeros(1, np.uint8)))
    texts.output(0).get_tensor().set_names({"string_output"})
    return openvino.Model([opset15.result(texts)], [ids], "detokenizer")
