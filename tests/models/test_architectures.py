"""The zoo's modules: their published sizes, their sample inputs, and that they mean something."""

import functools
import inspect
import sys
from typing import Any

import pytest
import torch

from stagecut import models
from stagecut.compiler.ir.errors import ModelError
from stagecut.models.architectures import Product, ZooModel, untranspose

TINY = tuple(name for name in models.names() if name.startswith("tiny-"))
TEXT = ("tiny-bert", "tiny-roberta", "tiny-gpt2", "tiny-gptj")

#: Weights of the published checkpoints without their training heads (GPT-2's head shares weights).
PUBLISHED = {
    "bert-small": 28_763_648,
    "bert-base": 109_482_240,
    "roberta-base": 124_645_632,
    "gpt2": 124_439_808,
    "llama-500m": 494_005_120,
    "whisper-tiny": 37_760_256,
    "vit-base": 86_567_656,
    "vit-large": 304_326_632,
    "resnet-50": 25_557_032,
    "mobilenet-v2": 3_504_872,
    "vgg-16": 138_357_544,
}


#: By name; for all who only look at it.
built = functools.cache(models.build)


def run(model: ZooModel, **changed: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The outputs for the sample inputs, some of them replaced."""
    with torch.no_grad():
        found = model.module(**{**model.example_inputs, **changed})
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize(("name", "weights"), PUBLISHED.items(), ids=PUBLISHED.keys())
def test_has_the_published_size(name: str, weights: int) -> None:
    with torch.device("meta"):  # shapes without memory
        module = models.build(name).module
    assert sum(weight.numel() for weight in module.parameters()) == weights


#: Of models that are built with shared blocks: how many, and the weights of one.
SHARED = {"gpt3-xl": (40, 50_358_272), "gpt-j": (28, 201_355_264)}


@pytest.mark.parametrize(("name", "size"), SHARED.items(), ids=SHARED.keys())
def test_blocks_share_their_weights_and_not_their_place(name: str, size: tuple[int, int]) -> None:
    with torch.device("meta"):
        model: Any = models.build(name).module.model
    blocks = model.transformer.h
    count, weights = size
    assert len(blocks) == model.config.num_hidden_layers == count
    assert sum(weight.numel() for weight in blocks.parameters()) == weights
    assert sorted({part.layer_idx for part in blocks.modules() if hasattr(part, "layer_idx")}) == [
        *range(count)
    ]


@pytest.mark.parametrize("bias", [False, True])
def test_a_product_computes_what_its_linear_does(bias: bool) -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4, bias=bias), torch.nn.ReLU())
    x = torch.randn(2, 3)
    expected = layers(x)
    untranspose(layers)
    assert isinstance(layers[0], Product)
    assert layers[0].weight.shape == (3, 4)
    torch.testing.assert_close(layers(x), expected)


@pytest.mark.parametrize("name", TINY)
def test_sample_inputs_are_the_arguments_in_order(name: str) -> None:
    model = built(name)
    arguments = inspect.signature(model.module.forward).parameters
    plain = [each.name for each in arguments.values() if each.kind is not each.VAR_KEYWORD]
    given = list(model.example_inputs)
    assert given[: len(plain)] == plain[: len(given)]
    assert len({id(tensor) for tensor in model.example_inputs.values()}) == len(given)


@pytest.mark.parametrize("name", TINY)
def test_outputs_are_named_and_vary(name: str) -> None:
    model = built(name)
    outputs = run(model)
    assert len(outputs) == len(model.outputs)
    for output in outputs:
        assert output.isfinite().all()
        assert output.std() > 0.01


@pytest.mark.parametrize("name", TINY)
def test_is_ready_for_inference(name: str) -> None:
    assert not any(part.training for part in built(name).module.modules())


@pytest.mark.parametrize("name", TINY)
def test_every_weight_matters(name: str) -> None:
    """A weight that starts at 0 or 1 could be lost on the way without anybody noticing."""
    module = built(name).module
    for key, weight in module.named_parameters():
        assert weight.min() < weight.max(), key


@pytest.mark.parametrize("name", TINY)
def test_two_builds_are_equal(name: str) -> None:
    first, second = built(name), models.build(name)
    for one, other in zip(run(first), run(second), strict=True):
        assert torch.equal(one, other)


def test_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    models.build("tiny-bert")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", TEXT)
def test_parameters_shape_the_inputs(name: str) -> None:
    model = models.build(name, batch=3, seq=5)
    assert {tuple(tensor.shape) for tensor in model.example_inputs.values()} == {(3, 5)}
    assert run(model)[0].shape[:2] == (3, 5)


@pytest.mark.parametrize("name", TEXT)
def test_weights_do_not_depend_on_the_sequence(name: str) -> None:
    short, long = models.build(name, seq=4), models.build(name, seq=16)
    for one, other in zip(short.module.parameters(), long.module.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", TEXT)
def test_sample_mask_hides_some_tokens(name: str) -> None:
    model = built(name)
    mask = model.example_inputs["attention_mask"]
    assert mask.tolist() == [[1, 1, 1, 1, 1, 1, 0, 0]]
    whole = run(model, attention_mask=torch.ones_like(mask))[0]
    assert not torch.allclose(run(model)[0], whole)


def test_a_single_token_is_not_hidden() -> None:
    assert models.build("tiny-bert", seq=1).example_inputs["attention_mask"].tolist() == [[1]]


def test_numbers_that_no_memory_is_large_enough_for() -> None:
    with pytest.raises(ModelError, match="cannot be built with these numbers") as caught:
        models.build("tiny-mlp", batch=10**15)
    assert caught.value.where == "zoo:tiny-mlp"


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "stagecut.models.minilm", raising=False)
    monkeypatch.delitem(sys.modules, "stagecut.models.architectures")
    with pytest.raises(ModelError, match="transformers, which is not installed") as caught:
        models.build("tiny-mlp")
    assert caught.value.fix == "pip install 'stagecut[torch]'"
