"""Merge operators into nodes that are placed as a whole."""
