"""Keep warnings and log messages of libraries off the terminal."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Silence warnings, stderr and the `loggers`; put everything back as it was."""
    chatty = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in chatty]
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            for logger in chatty:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(chatty, levels, strict=True):
                logger.setLevel(level)
