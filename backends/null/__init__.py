"""A device for tests: costs what you say, computes with the reference evaluator of ONNX."""

from stagecut.backends.null.device import create as create

__all__ = ["create"]
