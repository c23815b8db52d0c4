"""The activation functions that some devices look up in tables, as ONNX defines them."""

import numpy as np
import onnx_ir as ir
from scipy.special import erf, expit

from stagecut.backends.pim.numerics import Function
from stagecut.compiler.ir.device import Tensor


def function_of(node: ir.Node) -> Function:
    """The function of a LeakyRelu, Sigmoid, Tanh or Gelu node, with the node's attributes."""
    match node.op_type:
        case "LeakyRelu":
            alpha = np.float32(node.attributes.get_float("alpha", 0.01))
            return lambda x: np.where(x < 0, alpha * x, x)
        case "Sigmoid":
            return lambda x: np.asarray(expit(x))
        case "Tanh":
            return lambda x: np.asarray(np.tanh(x))
    if node.attributes.get_string("approximate", "none") == "tanh":
        return _gelu_by_tanh
    return _gelu


def _gelu(x: Tensor) -> Tensor:
    half: Tensor = np.float32(0.5) * x
    return half * (1 + erf(x / np.float32(np.sqrt(2))))


def _gelu_by_tanh(x: Tensor) -> Tensor:
    half: Tensor = np.float32(0.5) * x
    inner: Tensor = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)
    result: Tensor = half * (1 + np.tanh(inner))
    return result
