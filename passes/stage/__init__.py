"""Turn a schedule's stages into programs."""
