"""Let Python's collector of cycles rest while many objects are made that stay.

It looks through all objects again and again as their number grows, for cycles that nobody refers
to; where values of the IR are made, by the million perhaps, there are none.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting_collector() -> Iterator[None]:
    """Afterwards it goes on, where it was going on before."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
