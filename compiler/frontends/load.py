"""Load any model that stagecut takes: find its frontend, then bring it into normal form."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.model_folder import is_folder, read_folder
from stagecut.compiler.frontends.normal_form.normalise import normalise
from stagecut.compiler.frontends.onnx_file import import_proto, read_onnx
from stagecut.compiler.frontends.other_outputs import check_some_output, other_outputs
from stagecut.compiler.frontends.shapes import Shapes, misnamed
from stagecut.compiler.ir.collector import resting_collector
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import FeedError, UsageError
from stagecut.compiler.ir.program import Program

_FORMS = (
    "a file.onnx, a folder of an encoder and a decoder, a file.pt2, package.module:factory, or "
    "zoo:NAME"
)


def load_program(
    model: object,
    *,
    example_inputs: object = None,
    shapes: Shapes | None = None,
    feeds: Feeds | None = None,
) -> Program:
    """The program of `model`: a path or spec, an ONNX model, or a live PyTorch model.

    `example_inputs` are what the model is called with: one array, a tuple of them, or a dict by
    name; PyTorch models are exported with them. `feeds` are sample inputs by name, to profile
    with, and `shapes` bind inputs by name. Raises UsageError for what is no model, ModelError for
    one that is not sound, ShapeError and FeedError for what does not fit it.
    """
    imported, feeds = import_model(
        model, example_inputs=example_inputs, feeds=feeds, shaped=shapes or ()
    )
    return normalise(imported, shapes=shapes, feeds=feeds)


def import_model(
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    shaped: Iterable[str] = (),
) -> tuple[Imported, Feeds | None]:
    """The first half of `load_program`: the model as its source wrote it, and its sample inputs.

    `shaped` are the inputs that a shape is asked for.
    """
    imported = _import(model, example_inputs)
    if example_inputs is not None and not imported.feeds:
        if feeds:
            raise UsageError(
                "example_inputs and feeds are the same thing for an ONNX model",
                where=imported.source,
                fix="give one of them",
            )
        feeds = _by_name(imported.model, example_inputs)
    names = frozenset((*(feeds or ()), *shaped))
    if imported.encoder is not None:
        imported = replace(imported, encoder=_told(imported.encoder, names, feeds))
    return _told(imported, names, feeds), feeds


def _told(imported: Imported, names: frozenset[str], feeds: Feeds | None) -> Imported:
    """With what was asked for."""
    graph = imported.model.graph
    told = replace(
        imported,
        asked=names,
        misnamed=misnamed(graph, feeds or {}),
        left_out={**imported.left_out, **other_outputs(graph.outputs)},
    )
    check_some_output(told)
    return told


def tell(imported: Imported, model: object, warn: Callable[[str], None]) -> None:
    """Warn of what came with `model`; who hands it in imported has read that."""
    if not isinstance(model, Imported):
        for warning in imported.warnings():
            warn(warning)


def _import(model: object, example_inputs: object) -> Imported:
    if isinstance(model, Imported):
        return model
    if isinstance(model, str | os.PathLike):
        with resting_collector():
            return _import_named(os.fspath(model), example_inputs)
    if isinstance(model, onnx.ModelProto):
        return import_proto(model)
    if isinstance(model, ir.Model):
        return Imported(model.graph.name or "model", model, {}, "onnx_ir.Model")
    if any(kind.__module__.partition(".")[0] == "torch" for kind in type(model).__mro__):
        with resting_collector():
            from stagecut.compiler.frontends.torch_export import from_live

            return from_live(model, example_inputs, source=type(model).__name__)
    raise UsageError(
        f"a {type(model).__name__} is not a model",
        where="MODEL",
        fix=f"give {_FORMS}, an ONNX model, or a PyTorch module",
    )


def _import_named(text: str, example_inputs: object) -> Imported:
    """The model in a file, or that a spec describes; only the frontend it takes is imported."""
    if is_folder(text):
        return read_folder(Path(text))
    suffix = Path(text).suffix.lower()
    if suffix == ".onnx":
        return read_onnx(Path(text))
    if suffix == ".pt2":
        from stagecut.compiler.frontends.torch_export import from_file

        return from_file(Path(text), example_inputs)
    if suffix == ".plan":
        raise UsageError(
            "is a plan, which is made from a model",
            where=text,
            fix="name the model; run, report, bench, partition and sweep take the plan",
        )
    if ":" not in text:
        raise UsageError(f"{text!r} is not a model", where="MODEL", fix=f"give {_FORMS}")
    if example_inputs is not None:
        raise UsageError(
            "brings its own example inputs",
            where=text,
            fix="leave example_inputs out; feeds sets sample inputs to profile with",
        )
    if text.startswith("zoo:"):
        from stagecut.compiler.frontends.zoo import from_zoo

        return from_zoo(text)
    from stagecut.compiler.frontends.factory import from_factory

    return from_factory(text)


def _by_name(model: ir.Model, example_inputs: object) -> Feeds:
    if isinstance(example_inputs, Mapping):
        return {str(name): np.asarray(array) for name, array in example_inputs.items()}
    given = example_inputs if isinstance(example_inputs, tuple | list) else (example_inputs,)
    names = [str(value.name) for value in model.graph.inputs if not value.is_initializer()]
    if len(given) != len(names):
        raise FeedError(
            f"{len(given)} example inputs are given for {len(names)}",
            where="example_inputs",
            fix=f"give {', '.join(names)}, in this order",
        )
    return {name: np.asarray(array) for name, array in zip(names, given, strict=True)}
