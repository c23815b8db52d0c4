"""Models of the zoo as ONNX files whose batch is left open."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.load import import_model


@dataclass(frozen=True)
class OpenModel:
    """`imported` as it was written to `path`; `feeds` are one input."""

    path: Path
    imported: Imported
    feeds: Mapping[str, np.ndarray]


def build(spec: str) -> tuple[Any, tuple[Any, ...]]:
    """A torch module in eval mode, and its arguments for one input."""
    built = zoo.build(spec)
    return built.module.eval(), tuple(built.example_inputs.values())


def written(module: Any, inputs: Sequence[Any], folder: Path) -> OpenModel:
    """The module as model.onnx in `folder`."""
    imported = _exported(module, inputs)
    path = folder / "model.onnx"
    ir.save(imported.model, path, external_data="model.data")
    names = [str(value.name) for value in imported.model.graph.inputs]
    feeds = {key: each.numpy() for key, each in zip(names, inputs, strict=True)}
    return OpenModel(path, imported, feeds)


def _exported(module: Any, inputs: Sequence[Any]) -> Imported:
    """The module with an open batch; two samples, as one would be taken for a constant."""
    import torch

    batch = torch.export.Dim("batch", min=1, max=1024)
    two = tuple(torch.cat([each, each]) for each in inputs)
    names = list(inspect.signature(module.forward).parameters)[: len(inputs)]
    program = torch.export.export(module, two, dynamic_shapes={each: {0: batch} for each in names})
    return import_model(program)[0]
