"""`zoo:NAME[:key=number,...]`: a model of the zoo, e.g. `zoo:bert-base:seq=64,batch=2`."""

from collections.abc import Sequence
from dataclasses import replace

from stagecut import models
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.ir.errors import UsageError

PREFIX = "zoo:"

#: Of a number that counts something.
_MOST_DIGITS = 18


def from_zoo(spec: str) -> Imported:
    """Build and import it; raises what `build` raises."""
    return of_model(build(spec), spec)


def of_model(model: "models.ZooModel", spec: str) -> Imported:
    """Import one that was built by `spec`."""
    from stagecut.compiler.frontends.torch_export import from_module, from_program
    from stagecut.models.decoders import CachedDecoder
    from stagecut.models.encoder_decoders import (
        DECODER_INPUTS,
        ENCODER_INPUTS,
        HIDDEN,
        EncoderDecoder,
        export_parts,
    )

    inputs = model.example_inputs
    if isinstance(model.module, CachedDecoder):
        return of_cached(model, spec)
    if not isinstance(model.module, EncoderDecoder):
        return from_module(
            model.module, inputs, name=model.name, source=spec, outputs=model.outputs
        )
    first, second = export_parts(model.module, inputs)
    encoder = from_program(first, name=model.name, source=spec, outputs=[HIDDEN])
    decoder = from_program(second, name=model.name, source=spec, outputs=model.outputs)
    past = [name for name in inputs if name.startswith("past")]
    return replace(
        _named(decoder, (*DECODER_INPUTS, HIDDEN, *past)), encoder=_named(encoder, ENCODER_INPUTS)
    )


def of_cached(model: "models.ZooModel", source: str) -> Imported:
    """Import a `CachedDecoder` with its samples; raises what `from_program` raises."""
    from stagecut.compiler.frontends.torch_export import from_program
    from stagecut.models.decoders import export

    inputs = model.example_inputs
    program = export(model.module, inputs)
    imported = from_program(program, name=model.name, source=source, outputs=model.outputs)
    return _named(imported, tuple(inputs))


def _named(imported: Imported, names: Sequence[str]) -> Imported:
    """With these names of its inputs."""
    for value, name in zip(imported.model.graph.inputs, names, strict=True):
        value.name = name
    return replace(imported, feeds=dict(zip(names, imported.feeds.values(), strict=True)))


def build(spec: str) -> "models.ZooModel":
    """The module with its sample inputs; raises UsageError for a name, parameter or number that is
    not known."""
    name, _, options = spec.removeprefix(PREFIX).partition(":")
    return models.build(name, **_parameters(options, spec))


def _parameters(options: str, spec: str) -> dict[str, int]:
    parameters: dict[str, int] = {}
    for option in options.split(",") if options else ():
        key, _, number = option.partition("=")
        if not (key and number.isdecimal() and len(number) <= _MOST_DIGITS):
            raise UsageError(
                f"{option!r} does not set a parameter to a whole number",
                where=spec,
                fix="write zoo:NAME:key=number,key=number, e.g. zoo:bert-base:seq=64",
            )
        if key in parameters:
            raise UsageError(f"sets {key} twice", where=spec, fix=f"keep one {key}=...")
        parameters[key] = int(number)
    return parameters
