"""The models: ONNX files with an open batch, an input for each, and the torch module."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from benchmarks.support import pp_ocr_file
from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.load import import_model

#: What is run: a model of the zoo, whose batch is left open.
ZOO = {
    "minilm-32": "minilm:seq=32",
    "resnet-50": "resnet-50",
    "bert-base-128": "bert-base:seq=128",
    "gpt2-128": "gpt2:seq=128",
}
#: Files of rapidocr-onnxruntime, whose first dimension is open, and the shape of one input.
PP_OCR = {
    "pp-ocr-det": ("ch_PP-OCRv4_det_infer.onnx", (1, 3, 640, 640)),
    "pp-ocr-rec": ("ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320)),
}
MOBILENET = "mobilenet-v2"
KNOWN = (*ZOO, *PP_OCR, MOBILENET)


@dataclass(frozen=True)
class Model:
    """An ONNX file with an open batch, an input for it, and the torch module where there is one."""

    name: str
    path: Path
    feeds: Mapping[str, np.ndarray]
    module: Callable[[], tuple[Any, tuple[Any, ...]]] | None = None


def model_called(name: str, folder: Path) -> Model | None:
    path = folder / "model.onnx"
    if name in PP_OCR:
        return _pp_ocr(name)
    build = _mobilenet if name == MOBILENET else partial(_from_zoo, ZOO[name])
    module, inputs = build()
    imported = _exported(module, inputs)
    ir.save(imported.model, path, external_data="model.data")
    names = [str(value.name) for value in imported.model.graph.inputs]
    feeds = {key: each.numpy() for key, each in zip(names, inputs, strict=True)}
    return Model(name, path, feeds, build)


def _pp_ocr(name: str) -> Model | None:
    file, shape = PP_OCR[name]
    path = pp_ocr_file(file)
    if path is None:
        return None
    image = np.random.default_rng(0).random(shape, np.float32)
    return Model(name, path, {"x": image})


def _from_zoo(spec: str) -> tuple[Any, tuple[Any, ...]]:
    built = zoo.build(spec)
    return built.module.eval(), tuple(built.example_inputs.values())


def _mobilenet() -> tuple[Any, tuple[Any, ...]]:
    import torch
    import transformers

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            config = transformers.MobileNetV2Config(image_size=224, num_labels=1000)
            self.model = transformers.MobileNetV2ForImageClassification(config)

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(pixel_values=pixel_values).logits
            return logits

    return Classifier().eval(), (torch.rand(1, 3, 224, 224),)


def _exported(module: Any, inputs: Sequence[Any]) -> Any:
    """The module with an open batch; two samples, as one would be taken for a constant."""
    import torch

    batch = torch.export.Dim("batch", min=1, max=1024)
    two = tuple(torch.cat([each, each]) for each in inputs)
    names = list(inspect.signature(module.forward).parameters)[: len(inputs)]
    program = torch.export.export(module, two, dynamic_shapes={each: {0: batch} for each in names})
    return import_model(program)[0]
