"""Do not clear up after millions of objects that stay.

Python's collector of cycles looks through all objects again and again as their number grows, for
cycles that nobody refers to; where values of the IR are made, by the million perhaps, there are
none. And at the end of a process objects are freed one by one, which takes seconds, right before
the system takes all of its memory back at once.
"""

import ctypes
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


def keep_to_the_end(kept: object) -> None:
    """Never free it, nor what it refers to: for what a process has until shortly before its end."""
    gc.freeze()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
