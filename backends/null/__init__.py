"""A device for tests: costs what you say and computes with the reference evaluator of ONNX."""
