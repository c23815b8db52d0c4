"""Read samples from an .npz file with an array for each input, or from a folder of such files.

An array is one sample, or has an axis of samples in front: (samples, *shape of the input).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from stagecut.compiler.formats.array_file import ARRAY, ZIP, without_advice
from stagecut.compiler.ir.border import check_names
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import FeedError

#: Arrays by input, as they stand in one file.
Stored: TypeAlias = Mapping[str, Tensor]


def read_samples(path: Path, option: str) -> tuple[Stored, ...]:
    """What each file holds, in the order of their names; raises FeedError where there is none, or
    one cannot be read. `option` is what names the path."""
    is_folder = os.path.isdir(path)  # noqa: PTH112  the method raises for a name that is too long
    files = sorted(path.glob("*.npz")) if is_folder else [path]
    if not files:
        raise FeedError(
            f"{path} holds no .npz file",
            where=option,
            fix="write samples with numpy.savez(file, **arrays by the name of the input)",
        )
    return tuple(_read(file, option) for file in files)


def _read(path: Path, option: str) -> Stored:
    try:
        with path.open("rb") as file:
            begins = file.read(len(ARRAY))
        if not begins.startswith(ZIP):  # numpy would advise to unpickle it
            one = "it holds one array without a name"
            raise ValueError(one if begins == ARRAY else "it is no .npz file")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: _array(name, arrays[name]) for name in arrays.files}
    except OSError as error:
        raise FeedError(
            f"{path} cannot be read: {error.strerror or error}", where=option, fix="check the path"
        ) from None
    except Exception as error:  # numpy, zipfile and zlib have errors of many kinds
        raise FeedError(
            f"{path} holds no arrays by name that can be read: {without_advice(error)}",
            where=option,
            fix="write it with numpy.savez",
        ) from None


def _array(name: str, found: object) -> Tensor:
    """Of what has another ending, numpy hands back the bytes."""
    if isinstance(found, np.ndarray):
        return found
    raise ValueError(f"{name} is no array")


def single_samples(
    stored: Stored, shapes: Mapping[str, tuple[int, ...]], option: str
) -> Sequence[Stored]:
    """The samples of one file, for inputs of these shapes; raises FeedError for an input that is
    missing or that the model does not have, and for arrays that do not fit."""
    check_names(shapes, stored, where=f"{option}: ")
    counts = {name: _count(name, array, shapes[name], option) for name, array in stored.items()}
    if len({*counts.values()}) > 1:
        raise _uneven({name: count or 1 for name, count in counts.items()}, option)
    [count] = {*counts.values()}
    if count is None:
        return [stored]
    return [{name: array[at] for name, array in stored.items()} for at in range(count)]


def labelled(
    stored: Sequence[Stored], shapes: Mapping[str, tuple[int, ...]], option: str
) -> Stored:
    """All arrays of the files, one file behind the other: those of inputs, of these shapes, and
    others, such as labels, each with an axis of samples in front.

    Raises FeedError for an input that is missing, and for arrays that do not go together.
    """
    names = [*stored[0]]
    for each in stored:
        check_names(shapes, [name for name in each if name in shapes], where=f"{option}: ")
        check_names(names, each, where=f"{option}: ")
    joined = {name: _joined(name, [each[name] for each in stored], option) for name in names}
    counts = {name: len(array) for name, array in joined.items()}
    for name, shape in shapes.items():
        if joined[name].shape != (counts[name], *shape):
            raise _misshapen(name, joined[name], shape, option)
    if len({*counts.values()}) > 1:
        raise _uneven(counts, option)
    return joined


def _joined(name: str, arrays: Sequence[Tensor], option: str) -> Tensor:
    try:
        return np.concatenate(arrays)
    except ValueError as error:
        raise FeedError(
            f"its parts cannot be joined: {error}",
            where=f"{option}: {name}",
            fix="give every array an axis of samples in front",
        ) from None


def _uneven(counts: Mapping[str, int], option: str) -> FeedError:
    told = ", ".join(f"{count} of {name}" for name, count in counts.items())
    return FeedError(
        f"there are not as many samples of each input: {told}",
        where=option,
        fix="give every array the same axis of samples in front",
    )


def _count(name: str, array: Tensor, shape: tuple[int, ...], option: str) -> int | None:
    """How many samples it has; None where it is one by itself."""
    if array.shape == shape:
        return None
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape and len(array):
        return len(array)
    raise _misshapen(name, array, shape, option)


def _misshapen(name: str, array: Tensor, shape: tuple[int, ...], option: str) -> FeedError:
    wanted = "x".join(map(str, shape)) or "()"
    return FeedError(
        f"its shape is {'x'.join(map(str, array.shape)) or '()'}",
        where=f"{option}: {name}",
        fix=f"give {wanted}, or samples in front of that: N x {wanted}",
    )
