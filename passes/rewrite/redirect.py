"""Let some of those that read a value read another one.

Before: a(x), b(x), c(x)        After, of x for b and c: a(x), b(y), c(y)
"""

from collections.abc import Container

import onnx_ir as ir


def redirect(value: ir.Value, readers: Container[ir.Node], other: ir.Value) -> None:
    """The `readers` of `value` read `other`, at every place; whoever else does still reads it."""
    for use in [*value.uses()]:
        if use.node in readers:
            use.node.replace_input_with(use.idx, other)
