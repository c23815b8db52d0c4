"""Bring an imported model into the normal form of a `Program`.

verify -> clone, inline functions -> bind the inputs' shapes -> canonicalise, divide
       -> infer shapes, widen what engines lack -> Program

A model with open dimensions has a second normal form, the open one, in which they stay open.
Programs for further shapes are made from it (`bind`).
"""

from contextlib import suppress
from functools import partial

import onnx_ir as ir
from onnx_ir.passes.common import (
    ClearMetadataAndDocStringPass,
    RemoveInitializersFromInputsPass,
    RemoveUnusedOpsetsPass,
)

from stagecut.compiler.frontends.defaults import take_defaults
from stagecut.compiler.frontends.feeds import (
    check_feeds,
    check_shapes,
    input_types,
    make_feeds,
    other_samples,
)
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.normal_form.canonicalise import canonicalise
from stagecut.compiler.frontends.normal_form.clone_tensors import clone_tensors
from stagecut.compiler.frontends.normal_form.divide import divide
from stagecut.compiler.frontends.normal_form.infer_shapes import infer_shapes, type_values
from stagecut.compiler.frontends.normal_form.inline import inline_functions
from stagecut.compiler.frontends.normal_form.turned import multiply_turned
from stagecut.compiler.frontends.normal_form.verify import verify
from stagecut.compiler.frontends.normal_form.walk import defined, has_bodies
from stagecut.compiler.frontends.normal_form.widen import carry_inputs, carry_outputs
from stagecut.compiler.frontends.shapes import Shapes, bind_shapes, free_open_dimensions
from stagecut.compiler.ir.border import CARRIERS, carried
from stagecut.compiler.ir.device import Feeds, dtype_name
from stagecut.compiler.ir.errors import ModelError, SampleError
from stagecut.compiler.ir.graph import ANY_RANK, Dims
from stagecut.compiler.ir.program import Program

#: From this IR version on, an initializer need not be an input too.
_OLDEST_IR = 4

#: The opset of ONNX's own operators for models that use none of them.
_OPSET = 17


def normalise(
    imported: Imported,
    *,
    shapes: Shapes | None = None,
    feeds: Feeds | None = None,
) -> Program:
    """The program of `imported`, whose model is left as it is.

    `shapes` bind inputs by name, and so do `feeds`, which are sample inputs to use. Where shapes
    depend on data, and the model does not run on samples that are made up, others are. Raises
    ModelError, ShapeError or FeedError when the model, a shape or a sample does not fit.
    """
    verify(imported.model, imported.source)
    model, defaults = _flat(imported)
    inputs = tuple(model.graph.inputs)
    types = input_types(inputs)
    given = check_feeds(types, feeds, optional=defaults) if feeds else {}
    asked = {**{name: array.shape for name, array in given.items()}, **(shapes or {})}
    offered = {**imported.feeds, **defaults}
    spare = partial(_canonical, model.clone()) if has_bodies(model.graph) else None
    bound = bind_shapes(inputs, asked, offered)
    check_shapes(bound, given)
    known = {**offered, **given}
    made = make_feeds(types, bound, known)
    made_up = [name for name, array in made.items() if array is not known.get(name)]
    _canonical(model)
    # An input that was also an output has made way for it and goes by another name now.
    names = {str(v.name): name for v, name in zip(model.graph.inputs, made, strict=True)}
    samples = {name: carried(made[own]) for name, own in names.items()}
    try:
        model, measured = infer_shapes(model, samples, spare)
    except SampleError:
        for others in other_samples(made, made_up):
            with suppress(SampleError):
                return normalise(imported, shapes=shapes, feeds=others)
        raise
    _check_outputs(model.graph)
    narrow = carry_outputs(model)
    measured |= {value: measured[inner] for value, inner in narrow.items() if inner in measured}
    _strip(model)
    carriers = {name: types[own].name for name, own in names.items() if types[own].name in CARRIERS}
    carriers |= {
        str(value.name): dtype_name(inner.dtype or ir.DataType.UNDEFINED)
        for value, inner in narrow.items()
    }
    return Program(
        imported.name,
        model,
        samples,
        imported.source,
        {str(value.name): shape for value, shape in measured.items()},
        {name: own for name, own in names.items() if name != own},
        defaults,
        carriers,
        tuple(name for name, own in names.items() if own in made_up),
    )


def open_form(imported: Imported) -> ir.Model | None:
    """The model in normal form with its open dimensions; None where no input has any.

    `imported` must have been normalised before: it is not verified again.
    """
    model, _ = _flat(imported)
    if all(value.shape is not None and value.shape.is_static() for value in model.graph.inputs):
        return None
    _canonical(model)
    said = [(value.type, value.shape) for value in model.graph.outputs]
    type_values(model)
    for value, (kind, shape) in zip(model.graph.outputs, said, strict=True):
        value.type = value.type or kind
        if shape is not None and not shape.is_static():  # it has names for the dimensions
            value.shape = shape
    carry_outputs(model)
    _strip(model)
    return model


def declared(opened: ir.Model, bound: Program) -> dict[str, Dims]:
    """The dimensions of those inputs and outputs of `opened` that have open ones, by name.

    Those of inputs whose rank is open, too, are ANY_RANK; outputs whose rank nobody infers have
    that of `bound`, a program of the same model, unless there are such inputs.
    """
    dims: dict[str, Dims] = {}
    graph, same = opened.graph, bound.model.graph
    ranked = all(value.shape is not None for value in graph.inputs)
    pairs = zip((*graph.inputs, *graph.outputs), (*same.inputs, *same.outputs), strict=True)
    for value, sized in pairs:
        name = str(value.name)
        if value.shape is not None:
            if not value.shape.is_static():
                dims[name] = tuple(map(_dim, value.shape))
        elif ranked:
            rank = len(bound.measured[name]) if sized.shape is None else len(sized.shape)
            dims[name] = ("?",) * rank
        else:
            dims[name] = ANY_RANK
    return dims


def _dim(size: int | ir.SymbolicDim) -> int | str:
    return size if isinstance(size, int) else size.value or "?"


def bind(opened: ir.Model, feeds: Feeds, source: str) -> Program:
    """The program of a model in open form at the shapes of `feeds`, which must fit its inputs.

    Raises ModelError when the model cannot run at these shapes.
    """
    model = opened.clone()
    for value in model.graph.inputs:
        value.shape = ir.Shape(feeds[str(value.name)].shape)
    spare = opened.clone if has_bodies(opened.graph) else None
    model, measured = infer_shapes(model, feeds, spare)
    sizes = {str(value.name): shape for value, shape in measured.items()}
    return Program(str(model.graph.name), model, feeds, source, sizes)


def _flat(imported: Imported) -> tuple[ir.Model, Feeds]:
    """A clone without functions and without outputs that are no tensors, whose inputs are those
    that have to be fed and those that the user asked for; and the defaults of the latter."""
    model = imported.model.clone()
    inline_functions(model)
    outputs = model.graph.outputs
    outputs[:] = [value for value in outputs if value.name not in imported.left_out]
    free_open_dimensions(model.graph, imported.misnamed)
    defaults = take_defaults(model, imported.asked)
    RemoveInitializersFromInputsPass()(model)
    clone_tensors(model)
    model.ir_version = max(model.ir_version, _OLDEST_IR)
    model.graph.opset_imports.setdefault("", _OPSET)
    return model, defaults


def _canonical(model: ir.Model) -> ir.Model:
    canonicalise(model)
    if multiply_turned(model):
        canonicalise(model)
    divide(model)
    carry_inputs(model)
    return model


def _check_outputs(graph: ir.Graph) -> None:
    for value in graph.outputs:
        if not isinstance(value.type, ir.TensorType):
            raise ModelError(
                f"is a {value.type}, and only tensors can be handed back",
                where=f"output {value.name}",
                fix="turn it into a tensor inside the model, e.g. by ConcatFromSequence",
            )


def _strip(model: ir.Model) -> None:
    """Drop notes that exporters and passes have left: paths of source files, histories."""
    RemoveUnusedOpsetsPass()(model)
    ClearMetadataAndDocStringPass()(model)
    for graph in model.graphs():
        for value in defined(graph):
            value.doc_string = None
            value.metadata_props.clear()
            value.meta.clear()
