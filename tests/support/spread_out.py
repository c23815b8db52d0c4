"""Decoders of the zoo that say something: with the zoo's small weights the best token is soon the
same for ever."""

from typing import Any

import torch

from stagecut.models.architectures import ZooModel


def spread_out(model: ZooModel, factor: float) -> None:
    """Make the weights so many times larger, but for the embedding."""
    module: Any = model.module
    embedding = module.model.get_input_embeddings().weight
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim == 2 and weight is not embedding:
                weight.mul_(factor)
