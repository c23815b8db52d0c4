"""An entry of the zoo's table: the settings that it allows, and those that it refuses."""

import pytest

from stagecut import models
from stagecut.compiler.ir.errors import UsageError
from stagecut.models.catalogue import find

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
    "an unknown parameter names the nearest": ("gpt2", {"sec": 8}, "did you mean 'seq'?"),
    "an image has no sequence": ("resnet-50", {"seq": 8}, "there are: batch"),
    "no tokens at all": ("bert-base", {"seq": 0}, "from 1 to 512"),
    "more tokens than positions": ("bert-base", {"seq": 513}, "from 1 to 512"),
    "a cache is another model": ("gpt2", {"past": 64, "seq": 8}, "leave seq out, or past"),
    "a batch of nothing": ("mlp", {"batch": 0}, "1 or more"),
}


@pytest.mark.parametrize(("name", "parameters", "fix"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(name: str, parameters: dict[str, int], fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        models.build(name, **parameters)
    assert fix in caught.value.fix
    assert caught.value.where == f"zoo:{name}"
