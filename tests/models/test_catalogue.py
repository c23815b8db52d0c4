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


NOT_THERE: dict[str, tuple[str, str]] = {
    "an unknown model names the nearest": ("bert-bas", "did you mean 'bert-base'?"),
    "a model like no other lists them all": ("xyzzy", "there are: bert-small, bert-base"),
}


@pytest.mark.parametrize(("name", "fix"), NOT_THERE.values(), ids=NOT_THERE.keys())
def test_what_is_not_there(name: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        models.build(name)
    assert fix in caught.value.fix
    assert caught.value.where == f"zoo:{name}"
