"""The input that a decoder reads its tokens from, and the dimension along which these lie."""

from collections.abc import Container

import onnx_ir as ir

from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.state import MASK, POSITIONS, TOKENS

_WHOLE = frozenset({ir.DataType.INT64, ir.DataType.INT32})


def tokens_input(graph: ir.Graph, kept: Container[str]) -> str:
    """The one called input_ids, or else the only one of whole numbers [batch, sequence] beside
    those that a sequence keeps; raises ModelError where that is not plain."""
    others = [
        str(value.name)
        for value in graph.inputs
        if value.name not in kept
        and value.name not in {MASK, POSITIONS}
        and value.dtype in _WHOLE
        and value.shape is not None
        and len(value.shape) == 2
    ]
    if TOKENS in others or len(others) == 1:
        return TOKENS if TOKENS in others else others[0]
    raise _no_tokens(graph)


def tokens_of(graph: ir.Graph, name: str) -> ir.SymbolicDim:
    """The open dimension of the tokens; raises ModelError where there is none."""
    for value in graph.inputs:
        if value.name == name and value.shape is not None:
            dim = value.shape[1]
            if isinstance(dim, ir.SymbolicDim):
                return dim
    raise _no_tokens(graph)


def _no_tokens(graph: ir.Graph) -> ModelError:
    return ModelError(
        f"a decoder reads tokens as {TOKENS} [batch, sequence], with the sequence open",
        where=graph.name or "model",
        fix=f"its inputs are {', '.join(str(value.name) for value in graph.inputs)}; export it so",
    )
