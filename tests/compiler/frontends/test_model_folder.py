"""Encoder-decoders in several files: which is which, and what is missing."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.model_folder import (
    files_in,
    is_folder,
    read_folder,
    with_encoder,
    write_folder,
)
from stagecut.compiler.ir.errors import ModelError, UsageError
from tests.support import encoder_decoders
from tests.support.encoder_decoders import Layout


@pytest.mark.parametrize(
    ("layout", "graph", "has_uncached"),
    [("two files", "decoder", False), ("three files", "decoder", True)],
)
def test_by_the_names_of_files(
    tmp_path: Path, layout: Layout, graph: str, has_uncached: bool
) -> None:
    found = read_folder(encoder_decoders.write_folder(tmp_path, layout))
    assert (found.name, found.source) == (tmp_path.name, str(tmp_path))
    assert found.encoder is not None
    assert (found.encoder.model.graph.name, found.model.graph.name) == ("encoder", graph)
    assert (found.uncached is not None) == has_uncached


def test_a_merged_one_comes_first(tmp_path: Path) -> None:
    encoder_decoders.write_folder(tmp_path, "three files")
    encoder_decoders.write_folder(tmp_path, "merged")
    found = read_folder(tmp_path)
    assert "use_cache_branch" in [value.name for value in found.model.graph.inputs]
    assert found.uncached is None


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ([], "has no encoder.onnx"),
        (["decoder"], "has no encoder.onnx"),
        (["encoder", "model"], "has no decoder.onnx"),
    ],
)
def test_a_file_that_is_missing(tmp_path: Path, files: list[str], problem: str) -> None:
    for name in files:
        onnx.save(encoder_decoders.encoder(), tmp_path / f"{name}.onnx")
    with pytest.raises(ModelError, match=problem) as caught:
        import_model(str(tmp_path))
    assert "--encoder" in caught.value.fix
    assert all(f"{name}.onnx" in caught.value.fix for name in files)


@pytest.mark.parametrize("text", ["zoo:gpt2", "a\0b", "x" * 5000, "models:build"])
def test_what_is_no_folder(text: str) -> None:
    assert not is_folder(text)


def test_an_encoder_by_itself(tmp_path: Path) -> None:
    encoder_decoders.write_folder(tmp_path, "two files")
    decoder, _ = import_model(tmp_path / "decoder_model.onnx")
    assert with_encoder(decoder, None) is decoder
    both = with_encoder(decoder, tmp_path / "encoder_model.onnx")
    assert both.encoder is not None
    with pytest.raises(UsageError, match="has an encoder already"):
        with_encoder(both, tmp_path / "encoder_model.onnx")


@pytest.mark.parametrize("layout", ["two files", "three files", "merged"])
def test_written_and_read_again(tmp_path: Path, layout: Layout) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    imported = read_folder(encoder_decoders.write_folder(first, layout))
    write_folder(imported, second)
    again = read_folder(second)
    assert again.encoder is not None
    assert [value.name for value in again.model.graph.inputs] == [
        value.name for value in imported.model.graph.inputs
    ]
    assert (again.uncached is None) == (imported.uncached is None)
    assert {path.suffix for path in files_in(second)} <= {".onnx", ".data"}
    with pytest.raises(AssertionError):
        write_folder(replace(imported, encoder=None), tmp_path / "third")
