"""What decoding takes: a plan of a model with a cache beside other engines."""
