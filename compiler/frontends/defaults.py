"""Inputs with a default: an initializer of a model that is one of its inputs, too.

    (x, k = 3) => x * k      asked for k: k is an input that need not be given
                             otherwise:   k is the constant 3

Old exporters write every weight so, which no engine would pack nor fold: what nobody asks for is a
constant. Before version 4 of the IR every weight had to be written so, and no one could replace it.
"""

from collections.abc import Container

import onnx_ir as ir

from stagecut.compiler.ir.border import conformed
from stagecut.compiler.ir.device import Feeds, Tensor, as_array, dtype_name

#: From this IR version on, inputs may have defaults.
_SINCE_IR = 4


def take_defaults(model: ir.Model, asked: Container[str]) -> Feeds:
    """Make inputs of those that have a default and are `asked` for; returns their defaults."""
    taken = [model.graph.initializers.pop(name) for name in overridable(model) if name in asked]
    defaults = {
        str(value.name): _array(str(value.name), value.const_value)
        for value in taken
        if value.const_value is not None
    }
    for value in taken:
        value.const_value = None
    return defaults


def overridable(model: ir.Model) -> tuple[str, ...]:
    """The inputs of `model` that have a default."""
    if model.ir_version < _SINCE_IR:
        return ()
    return tuple(str(value.name) for value in model.graph.inputs if value.is_initializer())


def _array(name: str, tensor: ir.TensorProtocol) -> Tensor:
    return conformed(name, as_array(tensor), dtype_name(tensor.dtype))
