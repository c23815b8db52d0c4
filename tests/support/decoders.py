"""A tiny decoder with a cache, as ONNX text, and loops over such models that know no plan."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.entries import entries_of
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.cluster.cluster import Granularity
from tests.support.scattered import costs_of, expand

#: New tokens, how many are before them, and the states -> the logits, and the states.
Step: TypeAlias = Callable[[Sequence[int], int, Sequence[Tensor]], list[Tensor]]

VOCABULARY, HEADS, SIZE = 23, 2, 4
STATES = {"past_key_values.0.key": "present.0.key", "past_key_values.0.value": "present.0.value"}
PROMPT = (3, 7, 1, 12, 5)

#: What the states of a layer are called outside, and the weights of one, with those around it.
NAMES = {
    "past_k": "past_key_values.0.key",
    "past_v": "past_key_values.0.value",
    "present_k": "present.0.key",
    "present_v": "present.0.value",
}
SHAPES = {"embed": (23, 8), "places": (512, 8), "head": (8, 23)} | dict.fromkeys(
    ("wq", "wk", "wv", "wo"), (8, 8)
)

_TEXT = """
<ir_version: 10, opset_import: ["": 21]>
decoder (int64[batch,seq] input_ids, int64[batch,total] attention_mask,
         int64[batch,seq] position_ids, float[batch,2,past,4] past_k, float[batch,2,past,4] past_v)
     => (float[batch,seq,23] logits, float[batch,2,total,4] present_k,
         float[batch,2,total,4] present_v)
  <int64[4] split = {0,0,2,4}, int64[3] joined = {0,0,8}, int64[1] one_axis = {1},
   int64[2] axes = {1,2}, int64 zero = {0}, int64 one = {1}, float minus = {-10000}>
{ words = Gather(embed, input_ids)  spots = Gather(places, position_ids)  h = Add(words, spots)
  q = MatMul(h, wq)  k = MatMul(h, wk)  v = MatMul(h, wv)
  q4 = Reshape(q, split)  k4 = Reshape(k, split)  v4 = Reshape(v, split)
  qt = Transpose<perm = [0,2,1,3]>(q4)
  kt = Transpose<perm = [0,2,1,3]>(k4)
  vt = Transpose<perm = [0,2,1,3]>(v4)
  present_k = Concat<axis = -2>(past_k, kt)  present_v = Concat<axis = 2>(past_v, vt)
  turned = Transpose<perm = [0,1,3,2]>(present_k)  scores = MatMul(qt, turned)
  before = Shape<start = 2, end = 3>(past_k)  count = Shape<start = 1, end = 2>(input_ids)
  b = Squeeze(before)  n = Squeeze(count)  all = Add(b, n)
  columns = Range(zero, all, one)  r = Range(b, all, one)  rows = Unsqueeze(r, one_axis)
  late = Greater(columns, rows)
  seen = Cast<to = 9>(attention_mask)  absent = Not(seen)  absent4 = Unsqueeze(absent, axes)
  blocked = Or(late, absent4)  masked = Where(blocked, minus, scores)
  parts = Softmax<axis = -1>(masked)  mixed = MatMul(parts, present_v)
  back = Transpose<perm = [0,2,1,3]>(mixed)  flat = Reshape(back, joined)
  out = MatMul(flat, wo)  sum = Add(out, h)  logits = MatMul(sum, head) }
"""

#: The same attention as one operator. Its own order of tokens says which of them are seen.
_FUSED = {
    "Attention": """
  mixed, present_k, present_v =
    Attention<is_causal = 1, q_num_heads = 2, kv_num_heads = 2>(q, k, v, , past_k, past_v)
""",
    "GroupQueryAttention": """
  total = Shape<start = 1>(attention_mask)  columns = Squeeze(total)  all = Cast<to = 6>(columns)
  seen = ReduceSum<keepdims = 0>(attention_mask, one_axis)  last = Sub(seen, one)
  lengths = Cast<to = 6>(last)
  mixed, present_k, present_v = com.microsoft.GroupQueryAttention<num_heads = 1, kv_num_heads = 1>
    (q, k, v, past_k, past_v, lengths, all)
""",
}


def _text(fused: str) -> str:
    if not fused:
        return _TEXT
    start, end = _TEXT.index("  q4 = "), _TEXT.index("  out = ")
    text = _TEXT[:start] + _FUSED[fused] + _TEXT[end:].replace("MatMul(flat", "MatMul(mixed")
    domains = '["": 23, "com.microsoft": 1]'
    if fused == "GroupQueryAttention":  # ONNX Runtime's has heads of 8 at the least
        text = text.replace("2,past,4", "1,past,8").replace("2,total,4", "1,total,8")
    return text.replace('["": 21]', domains)


def tiny_decoder(fused: str = "", **renamed: str) -> onnx.ModelProto:
    """One layer of attention, `fused` into the operator of that name. `renamed` are other names for
    past_k, past_v, present_k, present_v; large random weights let the best tokens differ."""
    return with_weights(_text(fused), SHAPES, {**NAMES, **renamed}, seed=0)


#: Of `recurrent`.
HIDDEN = {"hidden": "hidden_next"}


def recurrent() -> onnx.ModelProto:
    """A model whose state each token replaces."""
    text = """
<ir_version: 10, opset_import: ["": 21]>
recurrent (int64[1,1] input_ids, float[1,1,8] hidden)
       => (float[1,1,23] logits, float[1,1,8] hidden_next)
{ word = Gather(embed, input_ids)  kept = MatMul(hidden, w)  sum = Add(word, kept)
  hidden_next = Tanh(sum)  logits = MatMul(hidden_next, head) }
"""
    return with_weights(text, {"embed": (23, 8), "w": (8, 8), "head": (8, 23)}, {}, seed=3)


def decoder_text() -> str:
    """That of `tiny_decoder`, for others to grow from."""
    return _TEXT


def with_weights(
    text: str, shapes: Mapping[str, tuple[int, ...]], names: Mapping[str, str], *, seed: int
) -> onnx.ModelProto:
    """The model of `text` with random weights, the same for the same name, shape and seed; values
    are called by `names` instead of their own."""
    model = onnx.parser.parse_model(text)
    for name, shape in shapes.items():
        rng = np.random.default_rng([seed, *name.encode()])
        weight = rng.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return model


def merged_decoder() -> onnx.ModelProto:
    """The same as a branch of an If, beside one that reads no cache and says something else: which
    of the two runs can be seen."""
    inner = tiny_decoder()
    model = onnx.ModelProto()
    model.CopyFrom(inner)
    model.graph.ClearField("node")
    model.graph.input.append(onnx.helper.make_tensor_value_info("use_cache_branch", 9, [1]))
    names = {value.name: f"{value.name}.of_branch" for value in inner.graph.output}
    with_past = onnx.GraphProto(name="with_past")
    for node in inner.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        with_past.node.append(node)
    without = onnx.GraphProto(name="without")
    for value in inner.graph.output:
        past = value.name.replace("present", "past_key_values")
        read = past if past != value.name else "head"
        without.node.append(onnx.helper.make_node("Identity", [read], [f"{value.name}.else"]))
        for graph, name in ((with_past, names[value.name]), (without, f"{value.name}.else")):
            graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
    branches = {"then_branch": with_past, "else_branch": without}
    outputs = [value.name for value in inner.graph.output]
    node = onnx.helper.make_node("If", ["use_cache_branch"], outputs, **branches)
    model.graph.node.append(node)
    return model


def greedy(step: Step, past: Sequence[Tensor], prompt: Sequence[int], count: int) -> list[int]:
    """The best token behind the prompt, read back in, and so on."""
    new, length, tokens = list(prompt), 0, list[int]()
    for _ in range(count):
        logits, *past = step(new, length, past)
        length += len(new)
        new = [int(logits[0, -1].argmax())]
        tokens += new
    return tokens


class PlainLoop:
    """A model with a cache in ONNX Runtime, as its users loop over it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._session = ort.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        ports = [port for port in self._session.get_inputs() if port.name.startswith("past")]
        self._states = [port.name for port in ports]
        self._past = [np.zeros((1, port.shape[1], 0, port.shape[3]), np.float32) for port in ports]

    def greedy(self, prompt: Sequence[int], count: int) -> list[int]:
        return greedy(self._run, self._past, prompt, count)

    def scores(self, tokens: Sequence[int]) -> Tensor:
        """(n, vocabulary) of all of them at once, without any cache."""
        logits: Tensor = self._run(tokens, 0, self._past)[0][0]
        return logits

    def _run(self, new: Sequence[int], length: int, past: Sequence[Tensor]) -> list[Tensor]:
        count = len(new)
        feeds = {
            "input_ids": np.asarray([new]),
            "attention_mask": np.ones((1, length + count), np.int64),
            "position_ids": np.arange(length, length + count)[None],
            **dict(zip(self._states, past, strict=True)),
        }
        found: list[Tensor] = self._session.run(None, feeds)
        return found


def decoder_plan(
    model: object,
    devices: Sequence[str] = ("cpu.serial",),
    *,
    seed: int = 0,
    granularity: Granularity = "cluster",
    decoding: DecodingOptions = DecodingOptions(prompt=5, capacity=90),
) -> Plan:
    """A plan in which every node is on a random one of these devices; nothing is measured."""
    imported, _ = import_model(model)
    entries, _ = entries_of(imported, [{}], None, decoding)
    costs = {
        entry.name: costs_of(expand(entry.programs[0], devices, granularity), seed)
        for entry in entries
    }
    return compile_model(
        imported, devices=devices, costs=costs, granularity=granularity, decoding=decoding
    )
