"""Decoders: models with a cache of keys and values, as two entries, prefill and decode."""
