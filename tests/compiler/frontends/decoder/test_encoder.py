"""Encoder-decoders: what depends on the encoder alone is computed behind it, once, however the
exporter wrote it; tokens are those of a plain loop."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import onnx
import pytest

from stagecut.compiler.frontends.decoder.encoder import EncoderDecoder, encoder_decoder
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.errors import ModelError, UsageError
from stagecut.runtime.decoding.generate import Generator
from tests.support.encoder_decoders import Layout, PlainLoop, plan, source_of, write_folder

SOURCES = (source_of(3, 9, 1), source_of(7, 7, 2, 11, 5, 0, 0), source_of(4))
PROMPT = (3, 7, 1)


@pytest.fixture(scope="module", params=get_args(Layout))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("model"), request.param)


def _both(folder: Path, asked: Mapping[str, str] = {}) -> EncoderDecoder:
    found = encoder_decoder(import_model(folder)[0], asked)
    assert found is not None
    return found


def test_tokens_are_those_of_a_plain_loop(folder: Path) -> None:
    generator, loop = Generator(plan(folder, "cpu.serial", "cpu.parallel")), PlainLoop()
    said = set()
    for source in SOURCES:
        expected = loop.greedy(source, PROMPT, 40)
        found = generator(PROMPT, source=source, max_new=40)
        assert [*found.tokens] == expected
        said.add(tuple(expected))
    assert len(said) == len(SOURCES)  # or else the source does not count


def test_keys_and_values_are_computed_once(folder: Path) -> None:
    """No step reads the weights that make them, nor what they are made of, but for its sizes."""
    both = _both(folder)
    weights = {*both.encode.model.graph.initializers}
    assert {"decoder.ck_weight", "decoder.cv_weight"} <= weights
    step = both.decoder.model.graph
    assert not {"ck_weight", "cv_weight"} & {*step.initializers}
    assert "encoder_hidden_states" not in [value.name for value in step.inputs]
    outputs = {value.name for value in both.encode.model.graph.outputs}
    assert {each.source for each in both.handed} == outputs
    assert {each.target for each in both.handed} <= {value.name for value in step.inputs}


def test_the_models_stay_as_they_are(folder: Path) -> None:
    imported, _ = import_model(folder)
    assert imported.encoder is not None
    before = str(imported.model), str(imported.encoder.model)
    encoder_decoder(imported, {})
    assert (str(imported.model), str(imported.encoder.model)) == before


def test_a_model_without_an_encoder(folder: Path) -> None:
    imported, _ = import_model(next(folder.glob("decoder*.onnx")))
    assert encoder_decoder(imported, {}) is None


@pytest.mark.parametrize(
    ("asked", "problem"),
    [({"x": "y"}, "encoder has no 'x'"), ({"last_hidden_state": "y"}, "decoder reads no 'y'")],
)
def test_names_that_are_not_there(folder: Path, asked: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        _both(folder, asked)


def test_models_that_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    write_folder(tmp_path, "two files")
    path = tmp_path / "encoder_model.onnx"
    model = onnx.load(path)
    renamed = {"last_hidden_state": "said", "attention_mask": "which"}
    for value in (*model.graph.output, *model.graph.input):
        value.name = renamed.get(value.name, value.name)
    model.graph.node[-1].output[0] = "said"
    onnx.save(model, path)
    with pytest.raises(ModelError, match="reads nothing that its encoder says: said") as caught:
        _both(tmp_path)
    assert "--hand OUTPUT=INPUT" in caught.value.fix
    pairs = {"said": "encoder_hidden_states", "which": "encoder_attention_mask"}
    assert len(_both(tmp_path, pairs).handed) == 3


def test_an_output_that_depends_on_the_encoder_alone_stays_one(tmp_path: Path) -> None:
    write_folder(tmp_path, "two files")
    path = tmp_path / "decoder_model.onnx"
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("cross_k", 1, None))
    onnx.save(model, path)
    both = _both(tmp_path)
    assert "cross_k" in [value.name for value in both.decoder.model.graph.outputs]
    assert "decoder.cross_v" in {each.source for each in both.handed}


def test_other_opsets(tmp_path: Path) -> None:
    """What one file computes cannot stand in the other: two files do without, three cannot."""
    for layout in get_args(Layout)[:2]:
        folder = tmp_path / layout
        folder.mkdir()
        write_folder(folder, layout)
        path = folder / "encoder_model.onnx"
        model = onnx.load(path)
        model.opset_import[0].version = 20
        onnx.save(model, path)
    handed = {each.source for each in _both(tmp_path / "two files").handed}
    assert handed == {"last_hidden_state", "attention_mask_out"}
    with pytest.raises(ModelError, match="of different opsets"):
        _both(tmp_path / "three files")


def test_an_encoder_is_told_of_domains_only_with_what_is_computed_there(tmp_path: Path) -> None:
    for version, told in ((None, True), (20, False)):
        folder = tmp_path / str(version)
        folder.mkdir()
        write_folder(folder, "two files")
        decoder = onnx.load(folder / "decoder_model.onnx")
        decoder.opset_import.append(onnx.helper.make_opsetid("of.our.own", 1))
        onnx.save(decoder, folder / "decoder_model.onnx")
        encoder = onnx.load(folder / "encoder_model.onnx")
        encoder.opset_import[0].version = version or encoder.opset_import[0].version
        onnx.save(encoder, folder / "encoder_model.onnx")
        assert ("of.our.own" in _both(folder).encode.model.graph.opset_imports) == told
