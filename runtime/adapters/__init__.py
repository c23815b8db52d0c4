"""stagecut as a backend of torch.compile, and of ONNX's own backend interface."""
