"""Two hosts and a model that neither holds, with a mask that all of its layers read."""

import numpy as np
import onnx
from onnx import numpy_helper

from stagecut.compiler.ir.measured_machine import (
    LinkSample,
    MeasuredDevice,
    MeasuredHost,
    MeasuredLink,
    MeasuredMachine,
)

WIDTH = 128
#: Two of the four weights.
CAPACITY_BYTES = 2 * WIDTH * WIDTH * 4 + 2000


def masked_layers() -> onnx.ModelProto:
    """The mask is 64 KiB, made of an input of 1 KiB."""
    layers = "".join(
        f"p{at} = MatMul(y{at}, w{at}) q{at} = Add(p{at}, m) y{at + 1} = Tanh(q{at}) "
        for at in range(4)
    )
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 21]>'
        f"g (float[{WIDTH},{WIDTH}] y0, int64[{WIDTH}] k) => (float[{WIDTH},{WIDTH}] y4) {{"
        f"m0 = Cast<to=1>(k) m1 = Unsqueeze(m0, axes) m2 = Expand(m1, shape) m = Mul(m2, half)"
        f" {layers} }}"
    )
    random = np.random.default_rng(0)
    weights = {
        f"w{at}": random.standard_normal((WIDTH, WIDTH)).astype(np.float32) / WIDTH**0.5
        for at in range(4)
    }
    small = {
        "axes": np.array([1]), "shape": np.array([WIDTH, WIDTH]), "half": np.array(0.5, np.float32)
    }  # fmt: skip
    for name, array in (weights | small).items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def slow_link() -> MeasuredMachine:
    """Between two equal hosts: 0.1 ms and 10 MB/s."""
    samples = tuple(
        LinkSample(size, took_s, took_s, took_s)
        for size in (100, 1_000_000)
        for took_s in [1e-4 + size * 1e-7]
    )
    devices = (MeasuredDevice("cpu.serial", 1e-3),)
    hosts = (
        MeasuredHost("local", "10.0.0.1", "a CPU", 2, devices, 0.0, CAPACITY_BYTES),
        MeasuredHost("b", "10.0.0.2", "a CPU", 2, devices, 1e-4, CAPACITY_BYTES),
    )
    links = (MeasuredLink("local", "b", samples), MeasuredLink("b", "local", samples))
    return MeasuredMachine(hosts, links)
