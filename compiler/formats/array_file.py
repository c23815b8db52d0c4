"""Read the array in a .npy file; whatever else is there is told by what it is."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from stagecut.compiler.ir.errors import FeedError

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Tensor

#: With these, .npy files begin, and .npz files.
ARRAY = b"\x93NUMPY"
ZIP = b"PK"


def read_array(path: Path, where: str) -> "Tensor":
    """The array in `path`, which may be a pipe; raises FeedError at `where` for anything else."""
    import numpy as np

    try:
        with path.open("rb") as file:
            begins = file.peek(len(ARRAY))[: len(ARRAY)]
            if begins != ARRAY:
                raise _no_array(path, begins, where)
            stream = file if file.seekable() else io.BytesIO(file.read())
            array: Tensor = np.lib.format.read_array(stream, allow_pickle=False)
    except OSError as error:
        raise FeedError(
            f"{path} cannot be read: {error.strerror or error}", where=where, fix="check the path"
        ) from None
    except FeedError:
        raise
    except Exception as error:  # numpy parses the header as Python: of any kind
        raise FeedError(
            f"{path} holds no array that can be read: {without_advice(error)}",
            where=where,
            fix="write an array of numbers, booleans or strings with numpy.save",
        ) from None
    return array


def without_advice(error: Exception) -> str:
    """What numpy says, but for how to unpickle the file of somebody else."""
    return str(error).split(" when allow_pickle")[0]


def _no_array(path: Path, begins: bytes, where: str) -> FeedError:
    if begins.startswith(ZIP):
        return FeedError(
            f"{path} is an .npz file, and an .npz holds several arrays",
            where=where,
            fix="write the one array with numpy.save(path, arrays[name])",
        )
    return FeedError(
        f"{path} is no .npy file{'' if begins else ': it is empty'}",
        where=where,
        fix="write it with numpy.save",
    )
