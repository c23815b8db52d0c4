"""Calibration data, and what is said of such as is none."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler.formats.samples_file import read_samples, single_samples
from stagecut.compiler.ir.errors import FeedError

SHAPES = {"x": (2, 3), "n": ()}


def _npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # names are inputs
    return path


def test_one_sample_or_many_in_a_file(tmp_path: Path) -> None:
    [one] = read_samples(
        _npz(tmp_path / "one.npz", x=np.ones((2, 3)), n=np.array(4)), "--calibrate"
    )
    assert [sample["n"] for sample in single_samples(one, SHAPES, "--calibrate")] == [4]
    [many] = read_samples(
        _npz(tmp_path / "many.npz", x=np.ones((5, 2, 3)), n=np.arange(5)), "--calibrate"
    )
    assert [sample["n"] for sample in single_samples(many, SHAPES, "--calibrate")] == [*range(5)]
    assert single_samples(many, SHAPES, "--calibrate")[0]["x"].shape == (2, 3)


def test_the_files_of_a_folder_in_order(tmp_path: Path) -> None:
    for name, number in (("b", 2), ("a", 1)):
        _npz(tmp_path / f"{name}.npz", n=np.array(number))
    assert [int(each["n"]) for each in read_samples(tmp_path, "--calibrate")] == [1, 2]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"holds no \.npz file"):
        read_samples(tmp_path, "--calibrate")
    with pytest.raises(FeedError, match="cannot be read: No such file"):
        read_samples(tmp_path / "none.npz", "--calibrate")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"text"])
def test_a_file_of_something_else(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.npz").write_bytes(content)
    with pytest.raises(FeedError, match="holds no arrays by name"):
        read_samples(tmp_path / "odd.npz", "--calibrate")


def test_a_file_with_one_wrong_byte(tmp_path: Path) -> None:
    """zipfile, zlib and numpy raise what they like: it is told in one way, or the file is read."""
    path = tmp_path / "one.npz"
    np.savez_compressed(path, x=np.arange(6.0))
    whole = path.read_bytes()
    told = 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x2D]) + whole[at + 1 :])
        try:
            read_samples(path, "--calibrate")
        except FeedError:
            told += 1
    assert told > len(whole) / 2


def test_nobody_is_advised_to_unpickle_a_file(tmp_path: Path) -> None:
    (tmp_path / "pickled.npz").write_bytes(pickle.dumps([1]))
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    for name in ("pickled.npz", "objects.npz"):
        with pytest.raises(FeedError) as caught:
            read_samples(tmp_path / name, "--data")
        assert "pickle" not in str(caught.value).replace(name, "")


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("x", b"text")
    with pytest.raises(FeedError, match="x is no array"):
        read_samples(tmp_path / "odd.npz", "--data")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="cannot be read: File name too long"):
        read_samples(tmp_path / ("a" * 300), "--calibrate")


def test_a_single_array(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(FeedError, match="one array without a name"):
        read_samples(tmp_path / "one.npy", "--calibrate")


BAD = {
    "an unknown name": ({"y": np.ones(3)}, "the model has no such input"),
    "a name that is missing": ({"x": np.ones((2, 3))}, "no array is given for it"),
    "another shape": ({"x": np.ones((3, 2)), "n": np.array(1)}, "its shape is 3x2"),
    "no samples": ({"x": np.ones((0, 2, 3)), "n": np.array(1)}, "its shape is 0x2x3"),
    "different numbers of samples": (
        {"x": np.ones((4, 2, 3)), "n": np.arange(5)},
        "4 of x, 5 of n",
    ),
}


@pytest.mark.parametrize(("stored", "problem"), BAD.values(), ids=BAD.keys())
def test_what_does_not_go_with_the_model(stored: dict[str, np.ndarray], problem: str) -> None:
    with pytest.raises(FeedError, match=problem):
        single_samples(stored, SHAPES, "--calibrate")
