"""A tiny encoder-decoder as ONNX text, in each of the ways in which exporters write one, and a loop
over it that knows no plan.

    two files      the decoder reads what the encoder says, in each step
    three files    a decoder with a cache reads keys and values that one without a cache computes
    merged         the same two as the branches of an If
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import onnx
import onnx.parser

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.onnx_runtime import ort
from tests.support.decoders import decoder_text, greedy, with_weights
from tests.support.scattered import scattered

Layout: TypeAlias = Literal["two files", "three files", "merged"]

_ENCODER = """
<ir_version: 10, opset_import: ["": 21]>
encoder (int64[batch,source] input_ids, int64[batch,source] attention_mask)
     => (float[batch,source,8] last_hidden_state)
{ words = Gather(embed, input_ids)  up = MatMul(words, we)  last_hidden_state = Tanh(up) }
"""

#: What depends on the encoder alone.
_KEYS = """
  ck = MatMul(memory, ck_weight)  cv = MatMul(memory, cv_weight)
  sizes = Shape<start = 0, end = 2>(memory)  heads = Concat<axis = 0>(sizes, two_four)
  ck4 = Reshape(ck, heads)  cv4 = Reshape(cv, heads)
  cross_k = Transpose<perm = [0,2,1,3]>(ck4)  cross_v = Transpose<perm = [0,2,1,3]>(cv4)
"""
_CROSS = """
  cq = MatMul(sum, cq_weight)  cq4 = Reshape(cq, split)  cqt = Transpose<perm = [0,2,1,3]>(cq4)
  ckt = Transpose<perm = [0,1,3,2]>(cross_k)  cross = MatMul(cqt, ckt)
  padded = Cast<to = 9>(source_mask)  inside = Unsqueeze(padded, axes)
  seen_of_it = Where(inside, cross, minus)
  shares = Softmax<axis = -1>(seen_of_it)  taken = MatMul(shares, cross_v)
  taken_back = Transpose<perm = [0,2,1,3]>(taken)  taken_flat = Reshape(taken_back, joined)
  both = Add(taken_flat, sum)  logits = MatMul(both, head) }
"""
_MEMORY = "float[batch,source,8] memory"
_NAMES = {
    "memory": "encoder_hidden_states",
    "source_mask": "encoder_attention_mask",
    "past_k": "past_key_values.0.decoder.key",
    "past_v": "past_key_values.0.decoder.value",
    "present_k": "present.0.decoder.key",
    "present_v": "present.0.decoder.value",
}
_CROSS_NAMES = {"cross_k": "encoder.key", "cross_v": "encoder.value"}


def encoder() -> onnx.ModelProto:
    return with_weights(_ENCODER, {"embed": (23, 8), "we": (8, 8)}, {}, seed=1)


def decoder() -> onnx.ModelProto:
    """One that reads what the encoder says."""
    return _decoder(f"{_MEMORY}, int64[batch,source] source_mask", _KEYS, _NAMES)


def cached() -> onnx.ModelProto:
    """One that reads keys and values of what the encoder says."""
    inputs = ", ".join(f"float[batch,2,source,4] {name}" for name in _CROSS_NAMES)
    names = {name: f"past_key_values.0.{short}" for name, short in _CROSS_NAMES.items()}
    return _decoder(f"{inputs}, int64[batch,source] source_mask", "", {**_NAMES, **names})


def uncached() -> onnx.ModelProto:
    """The one that computes these, and says nothing that is right otherwise."""
    text = f"""
<ir_version: 10, opset_import: ["": 21]>
uncached (int64[batch,seq] input_ids, {_MEMORY})
     => (float[batch,seq,8] logits, float[batch,2,source,4] cross_k,
         float[batch,2,source,4] cross_v) <int64[2] two_four = {{2,4}}>
{{ logits = Gather(embed, input_ids) {_KEYS} }}
"""
    names = {name: f"present.0.{short}" for name, short in _CROSS_NAMES.items()}
    shapes = {"embed": (23, 8), "ck_weight": (8, 8), "cv_weight": (8, 8)}
    return with_weights(text, shapes, {**_NAMES, **names}, seed=2)


def merged() -> onnx.ModelProto:
    """`cached` and `uncached` as branches; states of the other branch go out as they came in."""
    branches: list[onnx.GraphProto] = []
    weights: dict[str, onnx.TensorProto] = {}
    outputs = [value.name for value in cached().graph.output]
    outputs += [f"present.0.{short}" for short in _CROSS_NAMES.values()]
    for at, model in enumerate((cached(), uncached())):
        graph = onnx.GraphProto(name=f"branch_{at}")
        weights |= {tensor.name: tensor for tensor in model.graph.initializer}
        own = {value.name: f"{value.name}.{at}" for value in model.graph.output}
        for node in model.graph.node:
            node.input[:] = [own.get(name, name) for name in node.input]
            node.output[:] = [own.get(name, name) for name in node.output]
            graph.node.append(node)
        for name in outputs:
            if name not in own:
                past = name.replace("present", "past_key_values")
                graph.node.append(onnx.helper.make_node("Identity", [past], [f"{name}.{at}"]))
            graph.output.append(onnx.helper.make_tensor_value_info(f"{name}.{at}", 1, None))
        branches.append(graph)
    model = cached()
    inputs = {value.name: value for each in (uncached(), model) for value in each.graph.input}
    model.graph.ClearField("node")
    model.graph.ClearField("initializer")
    model.graph.ClearField("input")
    model.graph.input.extend(inputs.values())
    model.graph.input.append(onnx.helper.make_tensor_value_info("use_cache_branch", 9, [1]))
    model.graph.initializer.extend(weights.values())
    for short in _CROSS_NAMES.values():
        sizes: list[int | str | None] = ["batch", 2, "source", 4]
        info = onnx.helper.make_tensor_value_info(f"present.0.{short}", 1, sizes)
        model.graph.output.append(info)
    then, other = branches
    model.graph.node.append(
        onnx.helper.make_node(
            "If", ["use_cache_branch"], outputs, then_branch=then, else_branch=other
        )
    )
    return model


def write_folder(path: Path, layout: Layout) -> Path:
    """The files of an exporter."""
    files = {"encoder_model": encoder()}
    if layout == "two files":
        files["decoder_model"] = decoder()
    elif layout == "three files":
        files |= {"decoder_model": uncached(), "decoder_with_past_model": cached()}
    else:
        files["decoder_model_merged"] = merged()
    for name, model in files.items():
        onnx.save(model, path / f"{name}.onnx")
    return path


def plan(folder: Path, *devices: str) -> Plan:
    """Scattered over the devices; nothing is measured."""
    return compile_model(
        folder,
        shapes={"input_ids": (1, 4)},
        devices=devices or ["cpu.serial"],
        costs=scattered(2),
        decoding=DecodingOptions(prompt=3, capacity=60),
    )


class PlainLoop:
    """The two files in ONNX Runtime, as their users loop over them."""

    def __init__(self) -> None:
        self._encoder, self._decoder = (
            ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            for model in (encoder(), decoder())
        )

    def greedy(self, source: Feeds, prompt: Sequence[int], count: int) -> list[int]:
        [memory] = self._encoder.run(None, dict(source))
        step = partial(self._step, memory=memory, mask=source["attention_mask"])
        return greedy(step, [np.zeros((1, 2, 0, 4), np.float32)] * 2, prompt, count)

    def _step(
        self, new: Sequence[int], length: int, past: Sequence[Tensor], memory: Tensor, mask: Tensor
    ) -> list[Tensor]:
        feeds = {
            "input_ids": np.asarray([new]),
            "attention_mask": np.ones((1, length + len(new)), np.int64),
            "position_ids": np.arange(length, length + len(new))[None],
            "encoder_hidden_states": memory,
            "encoder_attention_mask": mask,
            "past_key_values.0.decoder.key": past[0],
            "past_key_values.0.decoder.value": past[1],
        }
        found: list[Tensor] = self._decoder.run(None, feeds)
        return found


def source_of(*tokens: int) -> dict[str, Tensor]:
    """What the encoder reads; 0 is padding."""
    ids = np.asarray([tokens])
    return {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64)}


def _decoder(inputs: str, keys: str, names: dict[str, str]) -> onnx.ModelProto:
    text = decoder_text()
    text = text.replace("past_v)\n", f"past_v, {inputs})\n", 1)
    text = text.replace("int64[2] axes", "int64[2] two_four = {2,4}, int64[2] axes")
    text = text.replace("logits = MatMul(sum, head) }", f"{keys}{_CROSS}")
    shapes = {"embed": (23, 8), "places": (512, 8), "head": (8, 23)}
    own = [*("wq", "wk", "wv", "wo", "cq_weight"), *(["ck_weight", "cv_weight"] if keys else [])]
    shapes |= dict.fromkeys(own, (8, 8))
    return with_weights(text, shapes, names, seed=2)
