"""A decoder whose plan holds weights in few bits says what torch says with these very weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stagecut.compiler import compile_model
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.runtime.decoding.session import DecoderSession
from tests.support.in_few_bits import in_few_bits
from tests.support.scattered import scattered
from tests.support.spread_out import spread_out_decoder

PROMPT = (5, 17, 99, 42, 7)
COUNT = 24

#: Weights may be as far from those in full as they like: they are held to themselves.
_FAR = 10.0


@pytest.mark.parametrize(
    ("device", "most_apart"),
    [
        # blocks that are no longer than rows, so that the plan holds all weights in few bits
        ("cpu.int8.serial:block=32,activations=f32", 1e-4),
        ("cpu.int4.serial:activations=f32", 1e-4),
        ("cpu.int4.serial", 0.1),  # activations are rounded
    ],
)
def test_in_torch_with_the_same_weights(device: str, most_apart: float, exports: Path) -> None:
    """Scores are as far apart as `most_apart` of the largest."""
    model, imported = spread_out_decoder("tiny-llama", exports)
    module: Any = model.module
    plan = compile_model(
        imported,
        devices=[device],
        costs=scattered(3),
        tolerance=_FAR,
        decoding=DecodingOptions(prompt=len(PROMPT)),
    )
    reference: Any = in_few_bits(module.model, plan)
    session, said = DecoderSession(plan), [*PROMPT]
    apart, largest = 0.0, 0.0
    with session.sequence() as sequence, torch.no_grad():
        given = [*PROMPT]
        while len(said) < len(PROMPT) + COUNT:
            entry = "decode" if sequence.length else "prefill"
            found = sequence.run(entry, {"input_ids": np.array([given])})[0][0, -1]
            expected = reference(input_ids=torch.tensor([said])).logits[0, -1].numpy()
            apart = max(apart, float(np.abs(found - expected).max()))
            largest = max(largest, float(np.abs(expected).max()))
            if "f32" in device:
                assert int(found.argmax()) == int(expected.argmax())
            given = [int(expected.argmax())]
            said += given
        full = module.model(input_ids=torch.tensor([said[:-1]])).logits[0, -1].numpy()
    assert apart <= most_apart * largest
    # the weights are others than in full, or nothing was compared
    assert np.abs(full - expected).max() > 1e-3 * largest
