"""An encoder-decoder in several files: of a folder, by the names that exporters give them.

encoder_model.onnx            what runs once
decoder_model_merged.onnx     with a cache and without one; or, instead,
decoder_with_past_model.onnx  with a cache, and
decoder_model.onnx            without one; or this alone, where it has its states by other names
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.onnx_file import data_files, read_onnx
from stagecut.compiler.ir.errors import ModelError, UsageError
from stagecut.compiler.ir.text import path_text

#: The stems of files, those that are written here first.
_ENCODER = ("encoder", "encoder_model")
_MERGED = ("decoder_merged", "decoder_model_merged")
_CACHED = ("decoder_with_past", "decoder_with_past_model")
_DECODER = ("decoder", "decoder_model")


def is_folder(text: str) -> bool:
    """False for what is no path at all, too."""
    return os.path.isdir(text)  # noqa: PTH112  the method raises for a name that is too long


def read_folder(path: Path) -> Imported:
    """The decoder in `path`, with its encoder; raises ModelError where a file of them is missing,
    or is no sound ONNX model."""
    files = {each.stem: each for each in _models(path)}
    encoder, merged, cached, decoder = (
        next((files[stem] for stem in stems if stem in files), None)
        for stems in (_ENCODER, _MERGED, _CACHED, _DECODER)
    )
    step = merged or cached or decoder
    if encoder is None or step is None:
        missing = "encoder.onnx" if encoder is None else "decoder.onnx"
        raise ModelError(
            f"has no {missing} (nor {missing.replace('.', '_model.')})",
            where=str(path),
            fix=f"it has {', '.join(sorted(each.name for each in files.values())) or 'no .onnx'}; "
            "name the decoder's file as the model, and the encoder's with --encoder",
        )
    both = step is cached and decoder is not None
    return replace(
        read_onnx(step),
        name=path_text(path.resolve().name),
        source=path_text(path),
        encoder=read_onnx(encoder),
        uncached=read_onnx(decoder).model if both and decoder is not None else None,
    )


def with_encoder(imported: Imported, path: Path | None) -> Imported:
    """`imported` as the decoder of the encoder in `path`, where one is given.

    Raises UsageError where it has one.
    """
    if path is None:
        return imported
    if imported.encoder is not None:
        raise UsageError(
            "it has an encoder already", where=imported.source, fix="leave --encoder out"
        )
    return replace(imported, encoder=read_onnx(path))


def write_folder(imported: Imported, path: Path) -> None:
    """What `read_folder` reads as `imported`, which has an encoder."""
    if imported.encoder is None:
        raise AssertionError("a model in one file needs no folder")
    path.mkdir()
    step = (_DECODER if imported.uncached is None else _CACHED)[0]
    _write(imported.encoder.model, path / f"{_ENCODER[0]}.onnx")
    _write(imported.model, path / f"{step}.onnx")
    if imported.uncached is not None:
        _write(imported.uncached, path / f"{_DECODER[0]}.onnx")


def files_in(path: Path) -> Iterator[Path]:
    """All that `read_folder` may read."""
    for each in _models(path):
        yield each
        yield from data_files(each)


def _models(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.suffix == ".onnx")


def _write(model: ir.Model, path: Path) -> None:
    ir.save(model, path, external_data=f"{path.name}.data")
