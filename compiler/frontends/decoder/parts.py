"""Copy a part of one graph behind another: what it computes from values that the other one has.

Source:                               Target before:         Target after:
  k = MatMul(memory, w)                 m = Encode(x)          m = Encode(x)
  scores = MatMul(q, k)                                        k = MatMul(m, w)

`memory` is given as `m`; `k` is wanted; `scores` needs `q`, and is none of it.
"""

from collections.abc import Collection, Iterable, MutableMapping, Sequence
from enum import IntEnum

import onnx_ir as ir

from stagecut.compiler.formats.model_tensors import bodies

#: What is known where the sizes of an operand are.
_SIZES = frozenset({"Shape", "Size"})
#: Operators that say something else each time.
_RANDOM = frozenset(
    {
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
#: What is put before the names of copies, which are unique in their own graph only.
_PREFIX = "decoder."


class _Basis(IntEnum):
    """What a value depends on, beside weights."""

    NOTHING = 0
    SIZES = 1
    NUMBERS = 2


def computed_from(graph: ir.Graph, given: Iterable[ir.Value]) -> list[ir.Value]:
    """The values of `graph`, in order, that depend on `given` inputs, and on nothing else but
    weights; not those that depend on their sizes alone, which are known where these are."""
    depends = dict.fromkeys(given, _Basis.NUMBERS)
    for node in graph:
        read = [value for value in node.inputs if value is not None]
        if _is_copied(node) and all(value in depends or value.is_initializer() for value in read):
            basis = max(
                (depends.get(value, _Basis.NOTHING) for value in read), default=_Basis.NOTHING
            )
            if node.op_type in _SIZES and basis:
                basis = _Basis.SIZES
            depends.update(dict.fromkeys(node.outputs, basis))
    return [value for value, basis in depends.items() if basis == _Basis.NUMBERS]


def border(graph: ir.Graph, values: Collection[ir.Value]) -> list[ir.Value]:
    """Those of `values` that `graph` still reads for its outputs where all of them are there, in
    their order."""
    seen: set[ir.Value] = set()
    waiting = [*graph.outputs]
    while waiting:
        value = waiting.pop()
        node = value.producer()
        if value not in seen and value not in values and node is not None:
            waiting += _read(node)
        seen.add(value)
    return [value for value in values if value in seen]


def _read(node: ir.Node) -> list[ir.Value]:
    """By itself, or in its bodies."""
    found = [value for value in node.inputs if value is not None]
    for body in bodies(node):
        found += body.outputs
        found += [value for inner in body for value in _read(inner)]
    return found


def copy_part(
    values: Sequence[ir.Value], target: ir.Graph, known: MutableMapping[ir.Value, ir.Value]
) -> list[ir.Value]:
    """The values in `target` that are computed as `values` are in their graph, where `known` has
    the counterparts of what these depend on; it learns those that are made.

    Whatever it needs must be weights, `known`, or results of what `computed_from` goes through.
    """
    for node in _needed(values, known):
        inputs = [
            None if value is None else _counterpart(value, target, known) for value in node.inputs
        ]
        copy = ir.Node(
            node.domain,
            node.op_type,
            inputs,
            [*node.attributes.values()],
            num_outputs=len(node.outputs),
            version=node.version,
        )
        for old, new in zip(node.outputs, copy.outputs, strict=True):
            new.name = f"{_PREFIX}{old.name}" if old.name else None
            known[old] = new
        target.append(copy)
    return [_counterpart(value, target, known) for value in values]


def _is_copied(node: ir.Node) -> bool:
    """Whether it says the same wherever it stands: it has no body, and is no function."""
    return not [*bodies(node)] and node.op_type not in _RANDOM


def _needed(values: Iterable[ir.Value], known: Collection[ir.Value]) -> list[ir.Node]:
    """What `values` are computed by, each node behind those that it needs."""
    found: dict[ir.Node, None] = {}
    waiting = [(value.producer(), False) for value in reversed([*values]) if value not in known]
    while waiting:
        node, is_ready = waiting.pop()
        if node is None or node in found:
            continue
        if is_ready:
            found[node] = None
            continue
        waiting.append((node, True))
        before = [value for value in node.inputs if value is not None and value not in known]
        waiting += [(value.producer(), False) for value in reversed(before)]
    return [*found]


def _counterpart(
    value: ir.Value, target: ir.Graph, known: MutableMapping[ir.Value, ir.Value]
) -> ir.Value:
    if value not in known:
        if not value.is_initializer():
            raise AssertionError(f"{value.name} is none of what the part depends on")
        copy = ir.Value(
            name=f"{_PREFIX}{value.name}",
            type=value.type,
            shape=value.shape,
            const_value=value.const_value,
        )
        target.register_initializer(copy)
        known[value] = copy
    return known[value]
