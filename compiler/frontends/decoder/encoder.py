"""Encoder-decoders: what depends on the encoder alone is computed once, behind the encoder.

Before:                                      After:
  encoder   x > memory                         encode    x > memory, k
  decoder   token, memory, past > scores,      decoder   token, k, past > scores, present
            present
            k = MatMul(memory, w)
            ... k ...

Exporters write it in several ways, all of which come to this: the decoder reads what the encoder
says; or it reads its keys and values, which a decoder without a cache computes, in a file of its
own, or in the other branch of a merged one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from stagecut.compiler.frontends.decoder.merged import with_cache, without_cache
from stagecut.compiler.frontends.decoder.pairs import PAST, PRESENT, carried_on
from stagecut.compiler.frontends.decoder.parts import border, computed_from, copy_part
from stagecut.compiler.frontends.decoder.sources import read_from
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.normal_form.clone_tensors import clone_tensors
from stagecut.compiler.frontends.normal_form.inline import inline_functions
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.state import ENCODE, Handed


@dataclass(frozen=True, slots=True)
class EncoderDecoder:
    """The model that runs once, the one that runs for each token, and what goes from the one to
    the other."""

    encode: Imported
    decoder: Imported
    handed: tuple[Handed, ...]


def encoder_decoder(imported: Imported, asked: Mapping[str, str]) -> EncoderDecoder | None:
    """None for a model without an encoder; `asked` pairs outputs of the encoder with inputs of the
    decoder.

    Raises UsageError for names that the models do not have, ModelError where nothing pairs up.
    """
    if imported.encoder is None:
        return None
    encode, step = imported.encoder.model.clone(), with_cache(imported.model).clone()
    for model in (encode, step):
        inline_functions(model)
        clone_tensors(model)
    sources = read_from(encode.graph, step.graph, asked)
    _check_found(sources, encode.graph, step.graph, imported.source)
    _one_row(encode.graph)
    uncached = imported.uncached or without_cache(imported.model)
    whole = {**sources, **_keys_and_values(encode, step.graph, uncached, sources, imported)}
    whole |= _moved(encode, step, whole)
    handed = tuple(
        Handed(_as_output(encode.graph, value), str(target.name))
        for target, value in whole.items()
        if target in step.graph.inputs
    )
    sent = {each.source for each in handed}
    outputs = encode.graph.outputs
    outputs[:] = [value for value in outputs if value.name in sent]
    return EncoderDecoder(
        replace(imported.encoder, name=f"{imported.name}.{ENCODE}", model=encode),
        replace(imported, model=step, encoder=None, uncached=None),
        handed,
    )


def with_types(found: EncoderDecoder, program: Program, opened: ir.Model | None) -> Imported:
    """The decoder, whose inputs that `encode` hands on have the types that its outputs have."""
    sized = {str(value.name): value for value in program.model.graph.outputs}
    dims = {} if opened is None else {str(v.name): v.shape for v in opened.graph.outputs}
    model = found.decoder.model
    inputs = {str(value.name): value for value in model.graph.inputs}
    for each in found.handed:
        value, source = inputs[each.target], sized[each.source]
        if value.type is None:
            value.type = source.type
            value.shape = _open(dims.get(each.source) or source.shape)
    return found.decoder


def handed_shapes(found: EncoderDecoder, program: Program) -> dict[str, tuple[int, ...]]:
    """Of the decoder's inputs, where `encode` runs on the samples of `program`."""
    sized = {str(value.name): value.shape for value in program.model.graph.outputs}
    shapes = {}
    for each in found.handed:
        shape = sized[each.source]
        known = None if shape is None else tuple(shape.numpy())
        shapes[each.target] = program.measured[each.source] if known is None else known
    return shapes


def _open(shape: ir.Shape | None) -> ir.Shape | None:
    """The same without names, which another graph may use for something else."""
    return shape and ir.Shape([dim if isinstance(dim, int) else None for dim in shape])


def _check_found(
    sources: Mapping[ir.Value, ir.Value], encoder: ir.Graph, decoder: ir.Graph, source: str
) -> None:
    if not sources:
        said, read = (
            ", ".join(str(value.name) for value in values)
            for values in (encoder.outputs, decoder.inputs)
        )
        raise ModelError(
            f"its decoder reads nothing that its encoder says: {said}",
            where=source,
            fix=f"say which of {read} it is: --hand OUTPUT=INPUT",
        )


def _one_row(graph: ir.Graph) -> None:
    """Bind the batch, the first dimension of every input, to one."""
    rows = {_first(value) for value in graph.inputs} - {None}
    for value in (*graph.inputs, *graph.outputs):
        if value.shape is not None:
            value.shape = ir.Shape([1 if _name(dim) in rows else dim for dim in value.shape])
    for value in graph.inputs:
        if value.shape and isinstance(value.shape[0], ir.SymbolicDim):
            value.shape = ir.Shape([1, *value.shape[1:]])


def _first(value: ir.Value) -> str | None:
    return _name(value.shape[0]) if value.shape else None


def _name(dim: int | ir.SymbolicDim) -> str | None:
    return None if isinstance(dim, int) else dim.value


def _keys_and_values(
    encode: ir.Model,
    decoder: ir.Graph,
    uncached: ir.Model | None,
    sources: Mapping[ir.Value, ir.Value],
    imported: Imported,
) -> dict[ir.Value, ir.Value]:
    """Those inputs of `decoder` that a decoder without a cache computes from what the encoder says,
    with the values that are computed so in `encode`. Outputs that hand them back are gone."""
    if uncached is None:
        return {}
    named = {str(value.name): source for value, source in sources.items()}
    given = read_from(encode.graph, uncached.graph, {})
    given |= {each: named[each.name] for each in uncached.graph.inputs if each.name in named}
    free = {*computed_from(uncached.graph, given)}
    presents = {_key(PRESENT, value): value for value in uncached.graph.outputs if value in free}
    pasts = {_key(PAST, value): value for value in decoder.inputs}
    keys = [key for key in pasts if key in presents and key]
    if not keys:
        return {}
    _check_opsets(encode, uncached, imported)
    made = _copied([presents[key] for key in keys], uncached, encode, given)
    outputs = decoder.outputs
    outputs[:] = [value for value in outputs if _key(PRESENT, value) not in keys]
    return {pasts[key]: value for key, value in zip(keys, made, strict=True)}


def _key(prefix: re.Pattern[str], value: ir.Value) -> str:
    name = value.name or ""
    match = prefix.match(name)
    return name[match.end() :] if match else ""


def _moved(
    encode: ir.Model, step: ir.Model, sources: Mapping[ir.Value, ir.Value]
) -> dict[ir.Value, ir.Value]:
    """What `step` computes from `sources` alone is computed in `encode`, and becomes an input of
    `step`; inputs that nobody reads any more are gone."""
    graph = step.graph
    replaced = {past for past, _ in carried_on(graph, [str(each.name) for each in sources])}
    fixed = {target: value for target, value in sources.items() if target not in replaced}
    free = dict.fromkeys(each for each in computed_from(graph, fixed) if not each.is_graph_output())
    read = [value for value in border(graph, free) if value not in fixed]
    found: dict[ir.Value, ir.Value] = {}
    if read and _same_opsets(encode, step):
        copies = _copied(read, step, encode, fixed)
        for value, copy in zip(read, copies, strict=True):
            taken = ir.Value(name=copy.name)
            graph.inputs.append(taken)
            value.replace_all_uses_with(taken)
            found[taken] = copy
    RemoveUnusedNodesPass()(step)
    unread = [value for value in sources if not value.uses()]
    for value in unread:
        graph.inputs.remove(value)
    return found


def _copied(
    values: Sequence[ir.Value],
    source: ir.Model,
    target: ir.Model,
    known: Mapping[ir.Value, ir.Value],
) -> list[ir.Value]:
    """Those of `source` in `target`, which is told of domains that it lacks."""
    for domain, version in source.graph.opset_imports.items():
        target.graph.opset_imports.setdefault(domain, version)
    return copy_part(values, target.graph, dict(known))


def _as_output(graph: ir.Graph, value: ir.Value) -> str:
    """The name of the output that hands `value` back, which is made where there is none."""
    if not value.is_graph_output():
        if value.is_graph_input():
            node = ir.node("Identity", [value])
            graph.append(node)
            name, value = f"{value.name}_out", node.outputs[0]
            value.name = name
        graph.outputs.append(value)
    return str(value.name)


def _same_opsets(one: ir.Model, other: ir.Model) -> bool:
    """Whether nodes of `other` mean the same in `one`, once it knows the domains that it lacks."""
    mine, theirs = one.graph.opset_imports, other.graph.opset_imports
    return all(mine.get(domain, version) == version for domain, version in theirs.items())


def _check_opsets(one: ir.Model, other: ir.Model, imported: Imported) -> None:
    if not _same_opsets(one, other):
        raise ModelError(
            "its encoder and its decoder are of different opsets, "
            f"{one.graph.opset_imports} and {other.graph.opset_imports}",
            where=imported.source,
            fix="export both with one opset",
        )
