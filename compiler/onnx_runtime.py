"""ONNX Runtime, told to keep what it runs to itself.

From version 1.29 on its wheels for Linux report each process and each session (names and hashes of
models among it) over the network, unless ORT_DISABLE_TELEMETRY is set when the library is loaded.
Whoever needs ONNX Runtime takes it from here.
"""

import logging
import os
from types import ModuleType

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

ort.disable_telemetry_events()  # where it has been loaded by somebody else before

__all__ = ["ort", "quantization"]


def quantization() -> ModuleType:
    """Its tools for weights in few bits, with their parts. One of them sets up logging for the
    whole process when it is imported, unless that has been done."""
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    try:
        from onnxruntime.quantization import matmul_nbits_quantizer  # noqa: F401
    finally:
        logging.root.removeHandler(handler)
    tools: ModuleType = ort.quantization
    return tools
