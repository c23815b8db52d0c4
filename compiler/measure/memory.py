"""How much memory this machine has."""

import os


def memory_bytes() -> int:
    """All of it, in use or not."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
