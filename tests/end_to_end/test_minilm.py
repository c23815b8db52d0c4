"""The main job: a trained sentence encoder keeps its meaning, also in half-precision memory."""

import numpy as np
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.device import Tensor
from stagecut.models import minilm
from stagecut.runtime import Session
from tests.support.scattered import costs_of, expand

SENTENCES = (
    "A man is eating pasta.",
    "Someone is having a meal.",
    "The stock market fell sharply today.",
)
DEVICES = ("cpu.serial", "cpu.parallel", "pim.hbm")


@pytest.fixture(scope="module")
def encoder() -> minilm.SentenceEncoder:
    return minilm.SentenceEncoder.load()


def _cosines(ours: Tensor, theirs: Tensor) -> Tensor:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosines: Tensor = (ours * theirs).sum(axis=1) / lengths
    return cosines


def test_embeddings_with_pim_stages_point_where_pytorch_says(
    encoder: minilm.SentenceEncoder,
) -> None:
    import torch

    program = load_program("zoo:minilm")
    costs = costs_of(expand(program, DEVICES, "cluster"), seed=0)
    plan = compile_model(program.model, feeds=program.feeds, devices=DEVICES, costs=costs)
    assert "pim.hbm" in {stage.device for stage in plan.first.planned.schedule.stages}
    session = Session(plan)
    feeds = encoder.encode(SENTENCES)
    ours = np.concatenate([session.run(None, dict(sentence))[0] for sentence in feeds])
    with torch.inference_mode():
        theirs = np.concatenate(
            [
                encoder.module(**{name: torch.from_numpy(a) for name, a in sentence.items()})
                for sentence in feeds
            ]
        )
    assert _cosines(ours, theirs).min() >= 0.999
    similar, different = ours[0] @ ours[1], ours[0] @ ours[2]
    assert similar > different + 0.2
