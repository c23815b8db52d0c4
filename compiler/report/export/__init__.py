"""Reports for other tools: JSON, Graphviz, ONNX."""
