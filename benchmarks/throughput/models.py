"""The models: ONNX files with an open batch, an input for each, and the torch module."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import open_models
from benchmarks.support import pp_ocr_file

#: What is run: a model of the zoo, whose batch is left open.
ZOO = {
    "minilm-32": "minilm:seq=32",
    "resnet-50": "resnet-50",
    "bert-base-128": "bert-base:seq=128",
    "gpt2-128": "gpt2:seq=128",
    "mobilenet-v2": "mobilenet-v2",
}
#: Files of rapidocr-onnxruntime, whose first dimension is open, and the shape of one input.
PP_OCR = {
    "pp-ocr-det": ("ch_PP-OCRv4_det_infer.onnx", (1, 3, 640, 640)),
    "pp-ocr-rec": ("ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320)),
}
KNOWN = (*ZOO, *PP_OCR)


@dataclass(frozen=True)
class Model:
    """An ONNX file with an open batch, an input for it, and the torch module where there is one."""

    name: str
    path: Path
    feeds: Mapping[str, np.ndarray]
    module: Callable[[], tuple[Any, tuple[Any, ...]]] | None = None


def model_called(name: str, folder: Path) -> Model | None:
    if name in PP_OCR:
        return _pp_ocr(name)
    build = partial(open_models.build, ZOO[name])
    found = open_models.written(*build(), folder)
    return Model(name, found.path, found.feeds, build)


def _pp_ocr(name: str) -> Model | None:
    file, shape = PP_OCR[name]
    path = pp_ocr_file(file)
    if path is None:
        return None
    image = np.random.default_rng(0).random(shape, np.float32)
    return Model(name, path, {"x": image})
