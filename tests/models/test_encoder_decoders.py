"""Encoder-decoders of the zoo: that the cache goes on, their names and samples."""

from typing import Any

import torch

from stagecut import models


def test_the_cache_goes_on() -> None:
    """The last two of twelve tokens, behind the states of the first ten, score as all at once; and
    another sound scores otherwise."""
    model = models.build("tiny-whisper")
    sound, ids, places = torch.randn(1, 8, 24), torch.arange(4, 16)[None], torch.arange(12)[None]
    empty = {
        key: value[:, :, :0]
        for key, value in model.example_inputs.items()
        if key.startswith("past")
    }
    with torch.no_grad():
        whole = model.module(sound, ids, places, **empty)
        first = model.module(sound, ids[:, :10], places[:, :10], **empty)
        held = dict(zip(empty, first[1:], strict=True))
        last = model.module(sound, ids[:, 10:], places[:, 10:], **held)
        other = model.module(2 * sound, ids, places, **empty)
    torch.testing.assert_close(last[0], whole[0][:, 10:], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(last[1], whole[1], atol=1e-5, rtol=1e-4)
    assert (other[0] - whole[0]).abs().max() > 1e-4


def test_as_transformers_computes_it() -> None:
    model = models.build("tiny-whisper", past=6)
    module: Any = model.module
    inputs = dict(model.example_inputs)
    empty = {key: value[:, :, :0] for key, value in inputs.items() if key.startswith("past")}
    with torch.no_grad():
        found = module(
            inputs["input_features"], inputs["input_ids"], torch.arange(2)[None], **empty
        )
        wanted = module.model(
            input_features=inputs["input_features"], decoder_input_ids=inputs["input_ids"]
        ).logits
    torch.testing.assert_close(found[0], wanted)


def test_samples_and_names() -> None:
    model = models.build("tiny-whisper", past=9)
    inputs = model.example_inputs
    pasts = [key for key in inputs if key.startswith("past")]
    assert pasts == [f"past_key_values.{at}.{part}" for at in (0, 1) for part in ("key", "value")]
    assert inputs["position_ids"].tolist() == [[7, 8]]
    assert {inputs[key].shape for key in pasts} == {(1, 2, 7, 16)}
    assert model.outputs == (
        "logits",
        *(key.replace("past_key_values", "present") for key in pasts),
    )
