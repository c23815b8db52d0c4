"""Bind the shapes of a model's inputs: to what is asked for, else to what the samples have.

input_ids: [batch, seq]   --shape input_ids=1x128   ->   [1, 128]
mask:      [batch, seq]   (the same symbols)        ->   [1, 128]
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import ShapeError
from stagecut.compiler.ir.text import size_text

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

#: The size of each symbol, and the text that set it.
_Symbols: TypeAlias = dict[str, tuple[int, str]]
_Dim: TypeAlias = int | ir.SymbolicDim

#: What exporters call dimensions without a name.
_NO_NAMES = frozenset({"", "?", "-1", "none", "unk", "unknown"})

#: Sizes to suggest where there is nothing to go by: of the first dimension, and of the others.
_FIRST, _OTHER = 1, 128


def free_open_dimensions(graph: ir.Graph, misnamed: Container[str | None] = ()) -> None:
    """Make dimensions open for which some exporters write -1, "?" or "None", and those that are
    `misnamed`."""

    def is_open(dim: _Dim) -> bool:
        if isinstance(dim, int):
            return dim < 0
        return dim.value in misnamed or str(dim.value).strip().lower() in _NO_NAMES

    written = (output for node in graph for output in node.outputs)
    for value in (*graph.inputs, *written):
        if value.shape is not None and any(map(is_open, value.shape.dims)):
            value.shape = ir.Shape(None if is_open(dim) else dim for dim in value.shape.dims)


def misnamed(graph: ir.Graph, given: Feeds) -> frozenset[str]:
    """The names of dimensions that have two sizes in arrays that the model is called with.

    ONNX Runtime takes such arrays; so these are no names, whatever the model says.
    """
    sizes: dict[str, set[int]] = {}
    for value in graph.inputs:
        array = given.get(value.name or "")
        if isinstance(array, np.ndarray):  # what else it may be is said where feeds are checked
            for symbol, size in _named(value, array.shape):
                sizes.setdefault(symbol, set()).add(size)
    return frozenset(symbol for symbol, found in sizes.items() if len(found) > 1)


def bind_shapes(
    inputs: Sequence[ir.Value], asked: Shapes, samples: Feeds
) -> dict[str, tuple[int, ...]]:
    """Give every input a shape of whole numbers, and return the shapes by name.

    `asked` are shapes that must fit; `samples` only fill in what they leave open. Raises
    ShapeError when a shape does not fit, or a dimension stays open.
    """
    by_name = {str(value.name): value for value in inputs}
    symbols: _Symbols = {}
    for name, shape in asked.items():
        if name not in by_name:
            raise ShapeError(
                "the model has no such input",
                where=f"input {name}",
                fix=f"its inputs are {', '.join(by_name)}",
            )
        _fit(by_name[name], shape, symbols)
    offered = {name: samples[name].shape for name in by_name if name in samples}
    for name, shape in offered.items():
        for symbol, size in _named(by_name[name], shape):
            symbols.setdefault(symbol, (size, "a sample"))
    resolved = {
        value: _resolve(value, asked.get(name), offered.get(name), symbols)
        for name, value in by_name.items()
    }
    if not all(_bound(shape) for shape in resolved.values()):
        raise _unbound(resolved)
    for value, bound in resolved.items():
        value.shape = bound
    return {name: value.shape.numpy() for name, value in by_name.items() if value.shape is not None}


def _bound(shape: ir.Shape | None) -> bool:
    return shape is not None and shape.is_static()


def _fit(value: ir.Value, shape: tuple[int, ...], symbols: _Symbols) -> None:
    """Bind the symbols of `value`; raises ShapeError where `shape` contradicts what is known."""
    where, flag = f"input {value.name}", _flag(value.name, shape)
    dims: Sequence[_Dim] = shape if value.shape is None else value.shape.dims
    if len(dims) != len(shape) or min(shape, default=0) < 0:
        raise ShapeError(
            f"{flag} does not fit {_text(dims)}",
            where=where,
            fix=f"give {len(dims)} sizes, none of them negative",
        )
    for axis, (dim, size) in enumerate(zip(dims, shape, strict=True)):
        if isinstance(dim, int) and dim != size:
            raise ShapeError(
                f"{flag} sets dimension {axis} to {size}, but the model fixes it to {dim}",
                where=where,
                fix=f"give {dim}, or export the model with that dimension dynamic",
            )
    for symbol, size in _named(value, shape):
        known, setter = symbols.setdefault(symbol, (size, flag))
        if known != size:
            raise ShapeError(
                f"{flag} sets {symbol!r} to {size}, but {setter} sets it to {known}",
                where=where,
                fix=f"give {symbol!r} one size",
            )


def _named(value: ir.Value, shape: tuple[int, ...]) -> Iterable[tuple[str, int]]:
    """The symbols in the declared shape of `value` with their sizes; none if the ranks differ."""
    if value.shape is None or len(value.shape) != len(shape):
        return
    for dim, size in zip(value.shape, shape, strict=True):
        if isinstance(dim, ir.SymbolicDim) and dim.value:
            yield dim.value, size


def _resolve(
    value: ir.Value,
    asked: tuple[int, ...] | None,
    offered: tuple[int, ...] | None,
    symbols: _Symbols,
) -> ir.Shape | None:
    """The shape of `value` as far as it is known; None where not even its rank is."""
    if asked is not None:
        return ir.Shape(asked)
    if value.shape is None:
        return None if offered is None else ir.Shape(offered)
    fits = offered is not None and len(offered) == len(value.shape)
    spare = offered if offered is not None and fits else value.shape.dims
    return ir.Shape(
        [_size(dim, other, symbols) for dim, other in zip(value.shape, spare, strict=True)]
    )


def _size(dim: _Dim, spare: _Dim, symbols: _Symbols) -> _Dim:
    """A number, the size of a symbol, or arithmetic on symbols ("past + 1"); `spare` for a "?"."""
    if isinstance(dim, int):
        return dim
    if not dim.value:
        return spare
    if dim.value in symbols:
        return symbols[dim.value][0]
    try:
        return dim.evaluate({symbol: size for symbol, (size, _) in symbols.items()})
    except ValueError:  # a name that is no arithmetic, such as "batch size"
        return dim


def _unbound(resolved: Mapping[ir.Value, ir.Shape | None]) -> ShapeError:
    """Says what is open in the first input with an open dimension, and what would bind all."""
    unbound = [(value, shape) for value, shape in resolved.items() if not _bound(shape)]
    value, shape = unbound[0]
    problem = "its shape is not known"
    if shape is not None:
        symbols = (dim.value or "?" for dim in shape if isinstance(dim, ir.SymbolicDim))
        problem = f"{', '.join(symbols)} of its shape {_text(shape)} is not bound"
    return ShapeError(
        problem,
        where=f"input {value.name}",
        fix=f"add {' '.join(_suggestions(unbound))}, or the sizes you will run with",
    )


def _suggestions(unbound: Iterable[tuple[ir.Value, ir.Shape | None]]) -> Iterable[str]:
    """One flag for each input whose symbols an earlier flag does not bind already."""
    suggested: dict[str | None, int] = {}
    for value, shape in unbound:
        dims: Sequence[_Dim] = [ir.SymbolicDim(None)] * 2 if shape is None else shape.dims
        if all(isinstance(dim, int) or dim.value in suggested for dim in dims):
            continue
        sizes: list[int] = []
        for axis, dim in enumerate(dims):
            size = _FIRST if axis == 0 else _OTHER
            if isinstance(dim, ir.SymbolicDim):
                sizes.append(suggested.setdefault(dim.value, size) if dim.value else size)
            else:
                sizes.append(dim)
        yield f"--shape {_flag(value.name, sizes)}"


def _flag(name: str | None, shape: Sequence[int]) -> str:
    return f"{name}={size_text(shape)}"


def _text(dims: Iterable[_Dim]) -> str:
    return size_text([str(dim) if isinstance(dim, int) or dim.value else "?" for dim in dims])
