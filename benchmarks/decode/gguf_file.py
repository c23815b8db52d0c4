"""Write GPT-2 and Llama as GGUF from what transformers has saved, for llama.cpp: in float32, or its
matrices in 8 or 4 bits (Q8_0, Q4_0).

The tokenizer has a word for each token, w0, w1, ...: what comes out can be read as tokens. Read by
child.py, in an environment that has none of stagecut.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Weights = Mapping[str, Any]

_LLAMA = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_GPT2 = {
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}


#: The type of matrices, and what llama.cpp calls a file of them, by precision.
_TYPES = {
    "int8": (gguf.GGMLQuantizationType.Q8_0, 7),
    "int4": (gguf.GGMLQuantizationType.Q4_0, 2),
}
#: Matrices of which rows are looked up, and added as they are.
_LOOKED_UP = frozenset({"position_embd.weight"})


def write_gguf(folder: Path, file: Path, precision: str) -> None:
    """Raises KeyError for a model of another kind."""
    few = _TYPES.get(precision)
    config = json.loads((folder / "config.json").read_text())
    kind = config["model_type"]
    write = {"llama": _llama, "gpt2": _gpt2}[kind]
    writer = gguf.GGUFWriter(str(file), kind)
    words = config["vocab_size"]
    writer.add_file_type(0 if few is None else few[1])
    writer.add_vocab_size(words)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"w{token}".encode() for token in range(words)])
    writer.add_token_scores([0.0] * words)
    writer.add_token_types([1] * words)
    writer.add_add_bos_token(False)
    for name, weight in write(writer, config, _saved(folder / "model.safetensors")).items():
        numbers = np.ascontiguousarray(weight)
        if few is None or numbers.ndim < 2 or name in _LOOKED_UP:
            writer.add_tensor(name, numbers)
        else:
            writer.add_tensor(name, gguf.quants.quantize(numbers, few[0]), raw_dtype=few[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _llama(writer: Any, config: Mapping[str, Any], weights: Weights) -> dict[str, Any]:
    heads, held = config["num_attention_heads"], config["num_key_value_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(held)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    found = {
        "token_embd.weight": weights["model.embed_tokens.weight"],
        "output_norm.weight": weights["model.norm.weight"],
    }
    if "lm_head.weight" in weights:
        found["output.weight"] = weights["lm_head.weight"]
    for layer in range(config["num_hidden_layers"]):
        for name, known in _LLAMA.items():
            weight = weights[f"model.layers.{layer}.{known}.weight"]
            turned = {"attn_q": heads, "attn_k": held}.get(name)
            found[f"blk.{layer}.{name}.weight"] = _in_pairs(weight, turned) if turned else weight
    return found


def _gpt2(writer: Any, config: Mapping[str, Any], weights: Weights) -> dict[str, Any]:
    """Its products are kept the other way round, and its head is that of the embedding."""
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    found = {
        "token_embd.weight": weights["transformer.wte.weight"],
        "output.weight": weights["transformer.wte.weight"],
        "position_embd.weight": weights["transformer.wpe.weight"],
        "output_norm.weight": weights["transformer.ln_f.weight"],
        "output_norm.bias": weights["transformer.ln_f.bias"],
    }
    for layer in range(config["n_layer"]):
        for name, known in _GPT2.items():
            for part in ("weight", "bias"):
                found[f"blk.{layer}.{name}.{part}"] = weights[
                    f"transformer.h.{layer}.{known}.{part}"
                ].T
    return found


def _in_pairs(weight: Any, heads: int) -> Any:
    """Rows as llama.cpp turns them: neighbours, where transformers turns halves of a head."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _saved(file: Path) -> dict[str, Any]:
    """The float32 arrays of a safetensors file: a length, so much JSON, then the numbers."""
    data = np.memmap(file, np.uint8, "r")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    listed = json.loads(data[8 : 8 + length].tobytes())
    listed.pop("__metadata__", None)
    found = {}
    for name, each in listed.items():
        if each["dtype"] != "F32":
            raise ValueError(f"{name} is {each['dtype']}, and float32 is compared")
        start, end = (8 + length + offset for offset in each["data_offsets"])
        found[name] = data[start:end].view(np.float32).reshape(each["shape"])
    return found
