"""Let operators run once more on another host, where that takes less than their result on its way.

Before: host a: m = mask(x)        host b: reads m, 64 KiB, sent by a
After:  host a: m = mask(x)        host b: m' = mask(x), reads m'; x is 1 KiB
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from stagecut.compiler.ir.program import Program
from stagecut.passes.rewrite.redirect import redirect

#: Behind the names of what runs again: with a number, as it may do so on more than one host.
_AGAIN = "/again."


@dataclass(frozen=True, slots=True)
class Again:
    """The `operators` run once more, in this order, and the `readers` of each value read what they
    write then; all by their names."""

    operators: tuple[str, ...]
    readers: Mapping[str, tuple[str, ...]]


def with_again(program: Program, copies: Sequence[Again]) -> Program:
    """The program in which they do; operators with bodies are never among them."""
    if not copies:
        return program
    model = program.model.clone()
    measured = dict(program.measured)
    for number, each in enumerate(copies):
        measured |= _copied(model.graph, each, number, measured)
    return replace(program, model=model, measured=measured)


def _copied(
    graph: ir.Graph, again: Again, number: int, measured: dict[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """What is known of shapes of the copies."""
    named = {node.name: node for node in graph}
    copies: dict[ir.Value, ir.Value] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    after = named[again.operators[-1]]
    for name in again.operators:
        node = named[name]
        copy = ir.Node(
            node.domain,
            node.op_type,
            [None if each is None else copies.get(each, each) for each in node.inputs],
            [*node.attributes.values()],
            num_outputs=len(node.outputs),
            name=copied(name, number),
            version=node.version,
        )
        for one, other in zip(node.outputs, copy.outputs, strict=True):
            other.name = copied(str(one.name), number)
            other.type, other.shape = one.type, one.shape
            copies[one] = other
            if one.name in measured:
                shapes[str(other.name)] = measured[one.name]
        graph.insert_after(after, copy)
        after = copy
    for value, again_made in copies.items():
        readers = again.readers.get(str(value.name), ())
        redirect(value, {named[name] for name in readers}, again_made)
    return shapes


def copied(name: str, number: int) -> str:
    """What the copy of an operator, or of a value, is called that the copy of this number makes."""
    return f"{name}{_AGAIN}{number}"


def run_again(name: str) -> str:
    """The operator that one of this name is, or is a copy of."""
    own, again, number = name.rpartition(_AGAIN)
    return own if again and number.isdecimal() else name
