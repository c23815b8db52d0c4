"""`zoo:NAME[:key=number,...]`: a model of the zoo, e.g. `zoo:bert-base:seq=64,batch=2`."""

from dataclasses import replace

from stagecut import models
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.ir.errors import UsageError

PREFIX = "zoo:"

#: Of a number that counts something.
_MOST_DIGITS = 18


def from_zoo(spec: str) -> Imported:
    """Build and import it; raises what `build` raises."""
    model = build(spec)
    from stagecut.compiler.frontends.torch_export import from_module, from_program
    from stagecut.models.decoders import CachedDecoder, export

    if not isinstance(model.module, CachedDecoder):
        return from_module(
            model.module, model.example_inputs, name=model.name, source=spec, outputs=model.outputs
        )
    program = export(model.module, model.example_inputs)
    imported = from_program(program, name=model.name, source=spec, outputs=model.outputs)
    inputs = imported.model.graph.inputs
    for value, name in zip(inputs, model.example_inputs, strict=True):
        value.name = name
    feeds = dict(zip(model.example_inputs, imported.feeds.values(), strict=True))
    return replace(imported, feeds=feeds)


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
