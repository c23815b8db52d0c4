"""Arrays in files: .npy is read, and everything else is told by what it is."""

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stagecut.compiler.formats.array_file import read_array
from stagecut.compiler.ir.errors import FeedError

_ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


def _saved(array: npt.ArrayLike, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def _zipped() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=_ARRAY, y=_ARRAY)
    return file.getvalue()


_LONG = _saved(_ARRAY).replace(b"(2, 3)", b"(2, 9)")
_HUGE = _saved(_ARRAY).replace(b"(2, 3), }     ", b"(2, 999999999)")

WRONG: dict[str, tuple[bytes, str]] = {
    "several arrays": (_zipped(), "is an .npz file, and an .npz holds several arrays"),
    "text": (b"1 2 3", "is no .npy file"),
    "nothing": (b"", "is no .npy file: it is empty"),
    "half a file": (_saved(_ARRAY)[:-4], "holds no array that can be read"),
    "a header that lies": (_LONG, "holds no array that can be read"),
    "a header that lies a lot": (_HUGE, "holds no array that can be read"),
    "no header": (_saved(_ARRAY)[:20], "holds no array that can be read: EOF"),
    "objects": (
        _saved(np.array([{}], dtype=object), allow_pickle=True),
        r"holds no array that can be read: Object arrays cannot be loaded\n",
    ),
}


def test_an_array_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", _ARRAY)
    np.testing.assert_array_equal(read_array(tmp_path / "x.npy", "input x"), _ARRAY)


def test_an_array_is_read_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write: Callable[[], int] = lambda: (tmp_path / "pipe").write_bytes(_saved(_ARRAY))  # noqa: E731
    writer = threading.Thread(target=write)
    writer.start()
    np.testing.assert_array_equal(read_array(tmp_path / "pipe", "input x"), _ARRAY)
    writer.join()


@pytest.mark.parametrize(("data", "problem"), WRONG.values(), ids=WRONG.keys())
def test_what_holds_no_array(data: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(FeedError, match=problem) as error:
        read_array(tmp_path / "x", "input x")
    assert error.value.where == "input x"
    assert "pickle" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="cannot be read: No such file or directory"):
        read_array(tmp_path / "none", "input x")
