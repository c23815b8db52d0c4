"""Decoders: models with a cache of keys and values, which become two entries, prefill and decode."""
