"""Tiny ONNX models in ONNX's own text form: one for each thing a compiler can trip over.

`MODELS["residual"].proto()` is an `onnx.ModelProto`, `.ir()` an `onnx_ir.Model`; each call makes a
new one. `MODELS[...].shapes` binds the symbolic dimensions of the inputs that have any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx
import onnx.parser
import onnx_ir as ir

_HEADER = '<ir_version: 10, opset_import: ["": 21, "com.microsoft": 1, "local": 1]>\n'


@dataclass(frozen=True)
class TinyModel:
    """A model's graph (and functions) as ONNX text, without the header with its versions."""

    text: str
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def proto(self) -> onnx.ModelProto:
        return onnx.parser.parse_model(_HEADER + self.text)

    def ir(self) -> ir.Model:
        return ir.from_proto(self.proto())


MODELS: Mapping[str, TinyModel] = {
    "chain": TinyModel("""
        chain (float[2,4] x) => (float[2,3] y)
          <float[4,3] w = {1,2,3,4,5,6,7,8,9,10,11,12}, float[3] b = {-30,0,-60}>
        { xw = MatMul(x, w)  xwb = Add(xw, b)  y = Relu(xwb) }
    """),
    "branches": TinyModel("""
        branches (float[2,4] x) => (float[2,8] y, float[2,4] left)
        { left = Sigmoid(x)  right = Tanh(x)  both = Mul(left, right)
          y = Concat<axis = 1>(both, right) }
    """),
    "residual": TinyModel("""
        residual (float[2,4] x) => (float[2,4] y)
          <float[4,4] w = {1,0,0,1, 0,1,1,0, 2,0,0,2, 0,2,2,0}>
        { h = MatMul(x, w)  r = Relu(h)  s = Add(r, x)  t = MatMul(s, w)  y = Add(t, s) }
    """),
    "convolution": TinyModel("""
        convolution (float[1,2,6,6] x) => (float[1,3] y)
          <float[3] b = {1,2,3}, float[3] mean = {0,1,2}, float[3] var = {1,4,9}>
        { shape = Constant<value_ints = [3, 2, 3, 3]>()
          w = ConstantOfShape<value = float[1] {0.5}>(shape)
          c = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w, b)
          n = BatchNormalization(c, b, b, mean, var)
          p = MaxPool<kernel_shape = [2, 2]>(n)  g = GlobalAveragePool(p)  y = Flatten(g) }
    """),
    "shape arithmetic": TinyModel(
        """
        heads (float[batch,seq,8] x) => (float[batch,2,seq,4] y)
        { shape = Shape(x)  zero = Constant<value_int = 0>()  one = Constant<value_int = 1>()
          batch = Gather(shape, zero)  seq = Gather(shape, one)
          axis = Constant<value_ints = [0]>()
          batch1 = Unsqueeze(batch, axis)  seq1 = Unsqueeze(seq, axis)
          heads = Constant<value_ints = [2, 4]>()
          split = Concat<axis = 0>(batch1, seq1, heads)
          h = Reshape(x, split)  y = Transpose<perm = [0, 2, 1, 3]>(h) }
        """,
        {"x": (2, 3, 8)},
    ),
    "symbolic dimensions": TinyModel(
        """
        symbolic (int64[batch,seq] ids, float[batch,?] scale) => (float[batch,seq] y)
        { f = Cast<to = 1>(ids)  axes = Constant<value_ints = [1]>()
          s = ReduceSum(scale, axes)  y = Mul(f, s) }
        """,
        {"ids": (2, 5), "scale": (2, 3)},
    ),
    "if with captured values": TinyModel("""
        choose (float[2,2] x) => (float[2,2] y) <float[2,2] w = {1,2,3,4}, float zero = {0}>
        { h = Relu(x)  sum = ReduceSum<keepdims = 0>(h)  positive = Greater(sum, zero)
          y = If(positive) <
            then_branch = yes () => (float[2,2] a) { t = MatMul(h, w)  a = Add(t, x) },
            else_branch = no () => (float[2,2] b) { b = Neg(x) }
          > }
    """),
    "if on a constant": TinyModel("""
        decided (float[2] x) => (float[2] y)
        { always = Constant<value = bool {1}>()
          y = If(always) <
            then_branch = yes () => (float[2] a) { two = Constant<value_float = 2.0>()
                                                   a = Mul(x, two) },
            else_branch = no () => (float[2] b) { b = Neg(x) }
          > }
    """),
    "branches that share names": TinyModel("""
        shadows (float[2] x, bool c) => (float[2] y)
        { y = If(c) <
            then_branch = yes () => (float[2] out) { k = Constant<value_float = 2.0>()
                                                     t = Mul(x, k)  out = Neg(t) },
            else_branch = no () => (float[2] out) { k = Constant<value_float = 3.0>()
                                                    t = Add(x, k)  out = Relu(t) }
          > }
    """),
    "loop": TinyModel("""
        loop (float[2] x) => (float[2] last, float[3,2] all)
          <int64 trips = {3}, bool go = {1}, float[2] step = {1, 10}>
        { last, all = Loop(trips, go, x) <
            body = turn (int64 i, bool keep, float[2] state)
                        => (bool keep_out, float[2] next, float[2] seen)
                   { keep_out = Identity(keep)  next = Add(state, step)  seen = Mul(next, x) }
          > }
    """),
    "scan": TinyModel("""
        scan (float[4,2] rows) => (float[2] total, float[4,2] sums) <float[2] start = {0, 0}>
        { total, sums = Scan(start, rows) <
            num_scan_inputs = 1,
            body = turn (float[2] sum, float[2] row) => (float[2] next, float[2] copy)
                   { next = Add(sum, row)  copy = Identity(next) }
          > }
    """),
    "nested bodies": TinyModel("""
        nested (float[2] x, bool up) => (float[2] last)
          <int64 trips = {3}, bool go = {1}, float[2] step = {1, 10}>
        { deep = Neg(x)
          last = Loop(trips, go, x) <
            body = turn (int64 i, bool keep, float[2] state) => (bool keep_out, float[2] next)
                     <float[2] half = {0.5, 0.5}>
                   { keep_out = Identity(keep)
                     next = If(up) <
                       then_branch = yes () => (float[2] a) { t = Add(state, step)
                                                              a = Mul(t, half) },
                       else_branch = no () => (float[2] b) { b = Add(state, deep) }
                     > }
          > }
    """),
    "local functions": TinyModel("""
        calls (float[2] x) => (float[2] y) { h = local.twice<by = 3.0>(x)  y = local.twice(h) }
        <domain: "local", opset_import: ["": 21, "local": 1]>
        twice <by: float = 2.0> (a) => (b) { c = local.scale<by: float = @by>(a)
                                             b = local.scale<by: float = @by>(c) }
        <domain: "local", opset_import: ["": 21]>
        scale <by> (a) => (b) { k = Constant<value_float: float = @by>()  b = Mul(a, k) }
    """),
    "contributed operators": TinyModel("""
        contributed (float[2,4] x) => (float[2,2] y)
        { g = com.microsoft.FastGelu(x)  m = com.microsoft.FusedMatMul<transB = 1>(g, x)
          s = Shape(m)  y = Reshape(m, s) }
    """),
    "data-dependent shape": TinyModel("""
        nonzero (float[2,3] x) => (int64[2,n] where, float[n] found)
        { r = Relu(x)  where = NonZero(r)  at = Transpose(where)  found = GatherND(x, at) }
    """),
    "sequence": TinyModel("""
        sequence (float[4,2] x, int64 at) => (float[4,2] y, float[1,2] one)
        { parts = SplitToSequence<axis = 0, keepdims = 1>(x)
          one = SequenceAt(parts, at)  bent = SequenceInsert(parts, one)
          shorter = SequenceErase(bent)  y = ConcatFromSequence<axis = 0>(shorter) }
    """),
    "optional": TinyModel("""
        optional (float[2] x) => (float[2] y)
        { wrapped = Optional(x)  inner = OptionalGetElement(wrapped)  y = Neg(inner) }
    """),
    "strings": TinyModel("""
        strings (string[2] s) => (string[2] t, bool[2] same)
        { tail = Constant<value_strings = ["é", "b"]>()  t = StringConcat(s, tail)
          same = Equal(s, t) }
    """),
    "repeated outputs": TinyModel("""
        repeated (float[2] x) => (float[2] y, float[2] y, float[2] z)
        { y = Neg(x)  z = Identity(y) }
    """),
    "input as output": TinyModel("""
        through (float[2] x, int64[2] mask) => (float[2] y, int64[2] mask) { y = Neg(x) }
    """),
    "initializer as output": TinyModel("""
        weights (float[2] x) => (float[2] y, float[2] w) <float[2] w = {1, 2}> { y = Add(x, w) }
    """),
    "constants as outputs": TinyModel("""
        constants (float[2,3] x) => (float[2,3] y, int64[2] shape, float[2] c, float[2] twin)
          <float[2] w = {1, 2}>
        { y = Neg(x)  shape = Shape(x)  c = Constant<value_floats = [1.0, 2.0]>()
          twin = Identity(w) }
    """),
    "overridable weight": TinyModel("""
        overridable (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}>
        { y = Add(x, w) }
    """),
    "zero-size tensors": TinyModel("""
        empty (float[0,3] none, float[2,3] some) => (float[2,3] y, float[0,3] z)
        { y = Concat<axis = 0>(none, some)  z = Neg(none) }
    """),
    "scalars": TinyModel("""
        scalars (float x, int64 k, bool b) => (float y, int64 m)
        { n = Neg(x)  y = Where(b, n, x)  m = Mul(k, k) }
    """),
    "optional operands": TinyModel("""
        gaps (float[2,4] x) => (float[2,4] y, float[2,1] inverse)
          <float top = {1}, float[4] scale = {1, 1, 1, 1}>
        { clipped = Clip(x, , top)  y, , inverse = LayerNormalization(clipped, scale) }
    """),
    "optional operands of a contributed operator": TinyModel("""
        skips (float[1,2,4] x, float[1,2,4] skip) => (float[1,2,4] y, float[1,2,4] sum)
          <float[4] scale = {1, 1, 1, 1}>
        { y, , , sum = com.microsoft.SkipLayerNormalization(x, skip, scale) }
    """),
    "recurrent": TinyModel("""
        recurrent (float[3,1,2] x, float[1,8,2] w, float[1,8,2] r) => (float[1,1,2] last)
        { , last = LSTM<hidden_size = 2>(x, w, r) }
    """),
    "quantized": TinyModel("""
        quantized (float[2,4] x) => (float[2,2] y)
          <int8[4,2] w = {1,2,3,4,5,6,7,8}, float scale = {0.5}, int8 zero = {0}>
        { f = DequantizeLinear(w, scale, zero)  q = QuantizeLinear(x, scale, zero)
          d = DequantizeLinear(q, scale, zero)  y = MatMul(d, f) }
    """),
    "half precision": TinyModel("""
        half (float16[2,2] x) => (float16[2,2] y) <float16[2,2] w = {1, 2, 3, 4}>
        { h = MatMul(x, w)  y = Relu(h) }
    """),
    "no inputs": TinyModel("""
        inputless () => (int64[3] y, float[2] z)
        { start = Constant<value_int = 0>()  end = Constant<value_int = 3>()
          step = Constant<value_int = 1>()  y = Range(start, end, step)
          z = Constant<value_floats = [1.0, 2.0]>() }
    """),
    "no operators": TinyModel("""
        bare (float[2] x) => (float[2] x) { }
    """),
    "dead code": TinyModel("""
        dead (float[2] x, float[2] unused) => (float[1] y) <float[2] spare = {1, 2}>
        { never = Add(x, spare)  y, rest = Split<axis = 0, num_outputs = 2>(x) }
    """),
    "einsum": TinyModel("""
        einsum (float[2,3,4] x, float[2,4,5] w) => (float[2,3,5] y)
        { y = Einsum<equation = "bij,bjk->bik">(x, w) }
    """),
}
