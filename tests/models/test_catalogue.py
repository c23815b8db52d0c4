"""The zoo's table: what it lists, what it refuses, and that listing it loads no engine."""

import subprocess
import sys

import pytest

from stagecut import models
from stagecut.compiler.ir.errors import UsageError
from stagecut.models.catalogue import CATALOGUE, find

SENTENCES = ("bert-small", "bert-base", "roberta-base", "gpt2", "gpt3-xl", "gpt-j")
IMAGES = ("vit-base", "vit-large", "vit-huge", "resnet-50", "mobilenet-v2", "vgg-16")
WANTED = (*SENTENCES, *IMAGES, "mlp")
LLAMAS = ("llama-100m", "llama-500m")
SPEECH = ("whisper-tiny", "whisper-tiny-en")
FAMILIES = ("bert", "roberta", "gpt2", "gptj", "llama", "whisper", "vit", "resnet", "vgg", "mlp")
TINY = tuple(f"tiny-{family}" for family in FAMILIES)


def test_names_are_unique_and_complete() -> None:
    assert len(set(models.names())) == len(models.names())
    assert set(models.names()) == {*WANTED, *LLAMAS, *SPEECH, *TINY, "minilm"}


def test_every_family_has_a_tiny_variant() -> None:
    tiny = {find(name).family for name in TINY}
    # trained; trained; 52 convolutions, however few channels they have
    large = {"minilm", "whisper-en", "mobilenet"}
    assert tiny == {entry.family for entry in CATALOGUE} - large


def test_listing_loads_no_engine() -> None:
    question = (
        "import sys, stagecut.models as models; print(models.names());"
        "print({'torch', 'transformers', 'onnx', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", question], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [str(models.names()), "set()"]


SETTINGS: dict[str, tuple[str, dict[str, int], dict[str, int]]] = {
    "text has 128 tokens unless told otherwise": ("bert-base", {}, {"batch": 1, "seq": 128}),
    "a tiny text has 8": ("tiny-gpt2", {}, {"batch": 1, "seq": 8}),
    "images have a batch only": ("vit-base", {"batch": 4}, {"batch": 4}),
    "the longest sequence is allowed": ("gpt2", {"seq": 1024}, {"batch": 1, "seq": 1024}),
}


@pytest.mark.parametrize(("name", "given", "wanted"), SETTINGS.values(), ids=SETTINGS.keys())
def test_settings(name: str, given: dict[str, int], wanted: dict[str, int]) -> None:
    assert find(name).settings(given) == wanted


REFUSED: dict[str, tuple[str, dict[str, int], str]] = {
    "an unknown model names the nearest": ("bert-bas", {}, "did you mean 'bert-base'?"),
    "a model like no other lists them all": ("xyzzy", {}, "there are: bert-small, bert-base"),
    "an unknown parameter names the nearest": ("gpt2", {"sec": 8}, "did you mean 'seq'?"),
    "an image has no sequence": ("resnet-50", {"seq": 8}, "there are: batch"),
    "no tokens at all": ("bert-base", {"seq": 0}, "from 1 to 512"),
    "more tokens than positions": ("bert-base", {"seq": 513}, "from 1 to 512"),
    "a batch of nothing": ("mlp", {"batch": 0}, "1 or more"),
}


@pytest.mark.parametrize(("name", "parameters", "fix"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(name: str, parameters: dict[str, int], fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        models.build(name, **parameters)
    assert fix in caught.value.fix
    assert caught.value.where == f"zoo:{name}"
