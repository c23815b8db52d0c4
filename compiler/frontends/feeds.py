"""Sample inputs of a model: check those that the user gives, make the others."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from stagecut.compiler.ir.border import check_names, conformed
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import ModelError, ShapeError
from stagecut.compiler.ir.text import size_text
from stagecut.compiler.measure.memory import check_room

#: The dtype of every input of a model, by name and in order; strings are objects.
InputTypes: TypeAlias = Mapping[str, np.dtype[Any]]

#: Each way to give so many inputs zeros or ones is tried.
_FEW = 4


def input_types(inputs: Iterable[ir.Value]) -> InputTypes:
    """The dtype of each input; raises ModelError for an input that is no tensor."""
    types: dict[str, np.dtype[Any]] = {}
    for value in inputs:
        if not isinstance(value.type, ir.TensorType) or value.dtype in (
            None,
            ir.DataType.UNDEFINED,
        ):
            raise ModelError(
                f"its type is {value.type or 'missing'}, and only tensors can be fed",
                where=f"input {value.name}",
                fix="export the model with tensors as its inputs",
            )
        types[str(value.name)] = np.dtype(value.type.dtype.numpy())
    return types


def check_feeds(
    types: InputTypes, given: Mapping[str, npt.ArrayLike], optional: Container[str] = ()
) -> Feeds:
    """`given` as arrays in the order of the inputs; their shapes are not looked at.

    Raises FeedError when one is unknown, of another dtype, or missing and not `optional`.
    """
    check_names(types, given, optional=optional)
    return {
        name: conformed(name, given[name], _name(dtype))
        for name, dtype in types.items()
        if name in given
    }


def _name(dtype: np.dtype[Any]) -> str:
    return "string" if dtype == np.object_ else dtype.name


def check_shapes(shapes: Mapping[str, tuple[int, ...]], given: Feeds) -> None:
    """Raise ShapeError when a given array has another shape than its input is bound to."""
    for name, array in given.items():
        if array.shape != shapes[name]:
            raise ShapeError(
                f"the array given for it has the shape {size_text(array.shape)}, "
                f"not {size_text(shapes[name])}",
                where=f"input {name}",
                fix="leave the shape out, or give an array that has it",
            )


def make_feeds(
    types: InputTypes, shapes: Mapping[str, tuple[int, ...]], samples: Feeds
) -> dict[str, Tensor]:
    """One array for each input: its sample where that fits, else a synthetic one.

    Synthetic ones are the same every time: seeded normals, ones, True and "". Raises ShapeError for
    one that there is no memory for, or that has more dimensions than arrays have.
    """
    fitting = {
        name: sample
        for name, sample in samples.items()
        if name in types and sample.shape == shapes[name] and sample.dtype == types[name]
    }
    for name in types:
        if name not in fitting:
            _check_rank(shapes[name], f"input {name}")
            # numbers are made as doubles, whatever they become
            size_bytes = math.prod(shapes[name]) * max(types[name].itemsize, 8)
            check_room(size_bytes, f"input {name}")
    rng = np.random.default_rng(0)
    return {
        name: fitting[name] if name in fitting else _made_up(rng, shapes[name], dtype)
        for name, dtype in types.items()
    }


def _check_rank(shape: tuple[int, ...], where: str) -> None:
    try:
        np.broadcast_to(0, (1,) * len(shape))
    except ValueError as error:
        raise ShapeError(
            f"a tensor of {len(shape)} dimensions cannot be made: {error}",
            where=where,
            fix="give it a shape of fewer dimensions",
        ) from None


def other_samples(samples: Feeds, made_up: Container[str]) -> Iterator[dict[str, Tensor]]:
    """The samples with other whole numbers in those inputs that are `made_up`, for a model that
    does not run on ones: zeros, as an index into a single row has to be; then ones in some, if they
    are few."""
    whole = [name for name in samples if name in made_up and samples[name].dtype.kind in "iu"]
    if not whole:
        return
    several = product((0, 1), repeat=len(whole)) if len(whole) <= _FEW else [(0,) * len(whole)]
    for numbers in several:
        if not all(numbers):
            chosen = zip(whole, numbers, strict=True)
            yield {**samples, **{name: np.full_like(samples[name], n) for name, n in chosen}}


def _made_up(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
    if dtype == np.object_:
        return np.full(shape, "", dtype)
    if dtype == np.bool_ or np.issubdtype(dtype, np.integer):
        return np.ones(shape, dtype)
    return np.asarray(rng.standard_normal(shape).astype(dtype))
