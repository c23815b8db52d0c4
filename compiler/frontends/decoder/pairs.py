"""Find the states of a decoder: the inputs that its outputs carry on.

    past_key_values.0.key [1, 12, past, 64]  <->  present.0.key [1, 12, past + seq, 64]

A pair is recognised by its names and its shapes, which are equal but for one open dimension.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

import onnx_ir as ir

from stagecut.compiler.ir.errors import ModelError, UsageError

PAST = re.compile(r"past(?:_key_values?)?[._]")
PRESENT = re.compile(r"present(?:_key_values?)?[._]")

#: What exporters put behind the name of what a model hands back.
OUT = re.compile(r"_out(?:put)?$")

#: A cache has at least this many dimensions.
_LEAST_RANK = 2


def find_pairs(
    graph: ir.Graph, asked: Mapping[str, str], taken: Container[str] = ()
) -> tuple[tuple[ir.Value, ir.Value], ...]:
    """Each input with the output that carries it on; none for a model that is no decoder.

    `asked` are names of such inputs and outputs, which are then the only ones; inputs that are
    `taken` are none. Raises UsageError for a name that the model does not have, ModelError where
    some are paired and others are not.
    """
    if asked:
        return tuple(_asked(graph, asked))
    inputs = [value for value in graph.inputs if value.name not in taken]
    pasts, presents = _named(inputs, PAST), _named(graph.outputs, PRESENT)
    paired = [key for key in pasts if key in presents and _goes_on(pasts[key], presents[key])]
    if paired and not len(paired) == len(pasts) == len(presents):
        raise ModelError(
            f"its states do not pair up: inputs {_unpaired(pasts, paired)}; "
            f"outputs {_unpaired(presents, paired)}",
            where=graph.name or "model",
            fix="say which belong together, all of them: --state PAST=PRESENT",
        )
    return tuple((pasts[key], presents[key]) for key in paired)


def carried_on(graph: ir.Graph, names: Sequence[str]) -> Iterator[tuple[ir.Value, ir.Value]]:
    """Those inputs of these `names` that an output of the same name carries on, `hidden` and
    `hidden_out`, of the same sizes as far as they are known; each with that output."""
    outputs = {OUT.sub("", str(value.name)): value for value in graph.outputs}
    for value in graph.inputs:
        output = outputs.get(str(value.name))
        if value.name in names and output is not None and is_replaced(value, output):
            yield value, output


def is_replaced(past: ir.Value, present: ir.Value) -> bool:
    """Whether `past` has known sizes behind its batch, and `present` the same, as far as they are
    known: what grows has another number of rows each time."""
    if past.shape is None or present.shape is None or len(past.shape) != len(present.shape):
        return False
    if not all(isinstance(dim, int) for dim in past.shape[1:]):
        return False
    pairs = zip(past.shape, present.shape, strict=True)
    return all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def _named(values: Iterable[ir.Value], prefix: re.Pattern[str]) -> dict[str, ir.Value]:
    """By what their names have behind the prefix; what is too small for a cache is none."""
    found: dict[str, ir.Value] = {}
    for value in values:
        match = prefix.match(value.name or "")
        if match and (value.shape is None or len(value.shape) >= _LEAST_RANK):
            found[str(value.name)[match.end() :]] = value
    return found


def _goes_on(past: ir.Value, present: ir.Value) -> bool:
    """Whether the shapes are equal but for one open dimension, as far as they are known."""
    if past.shape is None or past.shape.is_static():
        return False
    if present.shape is None:
        return True
    if len(past.shape) != len(present.shape):
        return False
    pairs = list(zip(past.shape, present.shape, strict=True))
    sized = [
        (one, other) for one, other in pairs if isinstance(one, int) and isinstance(other, int)
    ]
    grown = [
        (one, other)
        for one, other in pairs
        if isinstance(one, ir.SymbolicDim) and one.value and one != other
    ]
    return all(one == other for one, other in sized) and len(grown) <= 1


def _unpaired(values: Mapping[str, ir.Value], paired: Iterable[str]) -> str:
    known = set(paired)
    return ", ".join(str(each.name) for key, each in values.items() if key not in known) or "none"


def _asked(graph: ir.Graph, asked: Mapping[str, str]) -> Iterable[tuple[ir.Value, ir.Value]]:
    inputs = {str(value.name): value for value in graph.inputs}
    outputs = {str(value.name): value for value in graph.outputs}
    for past, present in asked.items():
        for kind, name, known in (("input", past, inputs), ("output", present, outputs)):
            if name not in known:
                raise UsageError(
                    f"the model has no {kind} {name!r}",
                    where=f"--state {past}={present}",
                    fix=f"its {kind}s are {', '.join(known)}",
                )
        yield inputs[past], outputs[present]
