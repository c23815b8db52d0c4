"""Measure every candidate and every transfer in as few whole runs as can be."""
