"""What several commands take, read and refused."""

from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler.cli import options
from stagecut.compiler.ir.errors import FeedError, ShapeError, StagecutError, UsageError

SHAPES = {"several sizes": ("1x128", (1, 128)), "one": ("7", (7,)), "none": ("scalar", ())}


@pytest.mark.parametrize(("text", "shape"), SHAPES.values(), ids=SHAPES.keys())
def test_shapes(text: str, shape: tuple[int, ...]) -> None:
    assert options.parse_shape(text) == shape
    assert options.parse_shapes([f"a=b={text}"]) == {"a=b": shape}


@pytest.mark.parametrize("text", ["x=", "x=1x", "x=axb", "x=-1", "1x2", "=1x2", "x=1.5"])
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(ShapeError) as error:
        options.parse_shapes([text])
    assert (error.value.where, bool(error.value.fix)) == ("--shape", True)


def test_nothing_is_one_variant_without_shapes() -> None:
    assert options.parse_variants(None) == [{}]
    assert options.parse_shapes(None) == {}


def test_inputs_from_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    [(name, array)] = options.read_feeds([f"x={tmp_path / 'x.npy'}"]).items()
    assert (name, array.tolist()) == ("x", [0, 1, 2])
    assert options.read_feeds(None) == {}


def test_files_that_would_run_code_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([print], object), allow_pickle=True)
    with pytest.raises(FeedError, match="Object arrays cannot be loaded"):
        options.read_feeds([f"x={tmp_path / 'x.npy'}"])


def test_one_of_several() -> None:
    assert options.one_of("op", ("cluster", "op"), "--granularity") == "op"
    with pytest.raises(UsageError, match="'atom' is not one of cluster, op") as error:
        options.one_of("atom", ("cluster", "op"), "--granularity")
    assert error.value.fix == "write --granularity cluster"


def test_settings(tmp_path: Path) -> None:
    made = options.make_settings(
        cache_dir=tmp_path, no_cache=False, output=tmp_path / "x.plan", effort="thorough"
    )
    assert (made.cache, made.scratch, made.effort) == (tmp_path, tmp_path.resolve(), "thorough")
    assert options.make_settings(cache_dir=tmp_path, no_cache=True).cache is None
    with pytest.raises(StagecutError, match="'some' is not one of quick, normal, thorough"):
        options.make_settings(cache_dir=None, no_cache=True, effort="some")


def test_a_model_is_read_from_its_file_or_from_those_of_its_folder(tmp_path: Path) -> None:
    files = [tmp_path / "decoder.onnx", tmp_path / "encoder.onnx"]
    for file in files:
        file.write_bytes(b"")
    assert [*options.model_files(str(files[0]), files[1])] == files[:1]
    assert [*options.model_files(str(tmp_path), files[0])] == files
    assert [*options.model_files(str(tmp_path), tmp_path / "new.plan")] == []
