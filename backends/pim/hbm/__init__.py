"""HBM-PIM: parameters, timing and layout of Samsung's fp16 units inside HBM2."""
