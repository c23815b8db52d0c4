"""Frozen data and protocols: no engine, no file format, and nothing above this floor."""
