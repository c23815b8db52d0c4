"""Let operators run once more on another host, where that takes less than their result on its way.

Before: host a: m = mask(x)        host b: reads m, 64 KiB, sent by a
After:  host a: m = mask(x)        host b: m' = mask(x), reads m'; x is 1 KiB
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from stagecut.compiler.ir.program import Program
from stagecut.passes.rewrite.redirect import redirect


@dataclass(frozen=True, slots=True)
class Again:
    """The `operators` run once more, in this order, for the `readers` of `value`, which one of them
    writes; all by their names."""

    value: str
    operators: tuple[str, ...]
    readers: tuple[str, ...]


def with_again(program: Program, copies: Sequence[Again]) -> Program:
    """The program in which they do; operators with bodies are never among them."""
    if not copies:
        return program
    model = program.model.clone()
    measured = dict(program.measured)
    for number, each in enumerate(copies):
        measured |= _copied(model.graph, each, f"/again.{number}", measured)
    return replace(program, model=model, measured=measured)


def _copied(
    graph: ir.Graph, again: Again, suffix: str, measured: dict[str, tuple[int, ...]]
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
            name=f"{name}{suffix}",
            version=node.version,
        )
        for one, other in zip(node.outputs, copy.outputs, strict=True):
            other.name, other.type, other.shape = f"{one.name}{suffix}", one.type, one.shape
            copies[one] = other
            if one.name in measured:
                shapes[str(other.name)] = measured[one.name]
        graph.insert_after(after, copy)
        after = copy
    value = next(one for one in copies if one.name == again.value)
    redirect(value, {named[name] for name in again.readers}, copies[value])
    return shapes
