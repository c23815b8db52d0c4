"""stagecut behind other people's interfaces: torch.compile, and ONNX's own backend interface."""
