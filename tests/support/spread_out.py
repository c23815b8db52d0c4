"""Decoders of the zoo that say something: with the zoo's small weights the best token is soon the
same for ever."""

from pathlib import Path
from typing import Any

import torch

from stagecut import models
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.zoo import of_model
from stagecut.models.architectures import ZooModel
from tests.support.exported_once import kept

#: Of the decoders below.
CAPACITY = 96
_FACTOR = 10.0


def spread_out(model: ZooModel, factor: float) -> None:
    """Make the weights so many times larger, but for the embedding."""
    module: Any = model.module
    embedding = module.model.get_input_embeddings().weight
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim == 2 and weight is not embedding:
                weight.mul_(factor)


def spread_out_decoder(name: str, exports: Path) -> tuple[ZooModel, Imported]:
    """In torch, and as it is imported, which is exported once for all tests."""
    model = models.build(name, past=CAPACITY)
    spread_out(model, _FACTOR)
    spec = f"zoo:{name}:past={CAPACITY}"
    return model, kept(exports, f"{spec}, spread out", lambda: of_model(model, spec))
