"""ONNX Runtime on the CPU: `cpu.serial` and `cpu.parallel`."""
