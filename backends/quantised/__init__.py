"""Weights of products in few bits, for every engine: which products, and their numbers."""
