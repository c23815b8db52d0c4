"""Kernels of one cluster on operands in its scratchpad, in cycles; a file for each."""
