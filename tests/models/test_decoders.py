"""Decoders with a cache: what they return, their names and samples."""

import pytest
import torch

from stagecut import models
from stagecut.compiler.ir.errors import UsageError

NAMES = [(f"tiny-{family}", {"past": 12}) for family in ("gpt2", "gptj", "llama")]


@pytest.mark.parametrize(("name", "past"), NAMES, ids=["gpt2", "gptj", "llama"])
def test_the_cache_goes_on(name: str, past: dict[str, int]) -> None:
    """The last two of twelve tokens, behind the states of the first ten, score as all at once."""
    model = models.build(name, **past)
    ids = torch.arange(4, 16)[None]
    empty = {
        key: value[:, :, :0]
        for key, value in model.example_inputs.items()
        if key.startswith("past")
    }
    ones = torch.ones(1, 12, dtype=torch.int64)
    places = torch.arange(12)[None]
    with torch.no_grad():
        whole = model.module(ids, ones, places, **empty)
        first = model.module(ids[:, :10], ones[:, :10], places[:, :10], **empty)
        held = dict(zip(empty, first[1:], strict=True))
        last = model.module(ids[:, 10:], ones, places[:, 10:], **held)
    torch.testing.assert_close(last[0], whole[0][:, 10:], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(last[1], whole[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "past"), NAMES, ids=["gpt2", "gptj", "llama"])
def test_samples_and_names(name: str, past: dict[str, int]) -> None:
    model = models.build(name, **past)
    inputs = model.example_inputs
    pasts = [key for key in inputs if key.startswith("past")]
    assert pasts == [f"past_key_values.{at}.{part}" for at in (0, 1) for part in ("key", "value")]
    assert inputs["attention_mask"].shape == (1, 12)
    assert {inputs[key].shape[2] for key in pasts} == {10}
    presents = [key.replace("past_key_values", "present") for key in pasts]
    assert model.outputs == ("logits", *presents)


def test_a_cache_goes_with_no_other_parameter() -> None:
    with pytest.raises(UsageError, match="past goes with no other parameter") as caught:
        models.build("tiny-gpt2", past=8, seq=4)
    assert caught.value.fix == "leave seq out, or past"
    with pytest.raises(UsageError, match="past=3 is out of range") as caught:
        models.build("tiny-llama", past=3)
    assert caught.value.fix == "give a number from 4 to 2048"


def test_several_sequences() -> None:
    """Each with all that one has, and nothing that is a view of something else."""
    model = models.build("tiny-llama", past=12, sequences=3)
    assert {len(each) for each in model.example_inputs.values()} == {3}
    assert not any(each._base is not None for each in model.example_inputs.values())
    assert {len(each) for each in model.module(**model.example_inputs)} == {3}
