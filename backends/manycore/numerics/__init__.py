"""What the kernels of a many-core device compute, apart from what they cost."""
