"""Read samples from an .npz file with an array for each input, or from a folder of such files.

An array is one sample, or has an axis of samples in front: (samples, *shape of the input).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import numpy as np

from stagecut.compiler.ir.border import check_names
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import FeedError

#: Arrays by input, as they stand in one file.
Stored: TypeAlias = Mapping[str, Tensor]

_WHERE = "--calibrate"


def read_samples(path: Path) -> tuple[Stored, ...]:
    """What each file holds, in the order of their names; raises FeedError where there is none, or
    one cannot be read."""
    files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if not files:
        raise FeedError(
            f"{path} holds no .npz file",
            where=_WHERE,
            fix="write samples with numpy.savez(file, **arrays by the name of the input)",
        )
    return tuple(map(_read, files))


def _read(path: Path) -> Stored:
    try:
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array without a name")
        with found as arrays:
            return {name: arrays[name] for name in arrays.files}
    except OSError as error:
        raise FeedError(
            f"{path} cannot be read: {error.strerror or error}", where=_WHERE, fix="check the path"
        ) from None
    except (ValueError, EOFError, BadZipFile) as error:
        raise FeedError(
            f"{path} holds no arrays by name that can be read: {error}",
            where=_WHERE,
            fix="write it with numpy.savez",
        ) from None


def single_samples(stored: Stored, shapes: Mapping[str, tuple[int, ...]]) -> Sequence[Stored]:
    """The samples of one file, for inputs of these shapes; raises FeedError for an input that is
    missing or that the model does not have, and for arrays that do not fit."""
    check_names(shapes, stored, where=f"{_WHERE}: ")
    counts = {name: _count(name, array, shapes[name]) for name, array in stored.items()}
    if len({*counts.values()}) > 1:
        told = ", ".join(f"{count or 1} of {name}" for name, count in counts.items())
        raise FeedError(
            f"there are not as many samples of each input: {told}",
            where=_WHERE,
            fix="give every array the same axis of samples in front",
        )
    [count] = {*counts.values()}
    if count is None:
        return [stored]
    return [{name: array[at] for name, array in stored.items()} for at in range(count)]


def _count(name: str, array: Tensor, shape: tuple[int, ...]) -> int | None:
    """How many samples it has; None where it is one by itself."""
    if array.shape == shape:
        return None
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape and len(array):
        return len(array)
    wanted = "x".join(map(str, shape)) or "()"
    raise FeedError(
        f"its shape is {'x'.join(map(str, array.shape)) or '()'}",
        where=f"{_WHERE}: {name}",
        fix=f"give {wanted}, or samples in front of that: N x {wanted}",
    )
