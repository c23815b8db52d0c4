"""Processing-in-memory devices, modelled: timing, numerics."""
