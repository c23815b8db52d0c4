"""What torch raises becomes a ModelError of one line, and what it prints is not seen."""

from collections.abc import Iterator
from contextlib import contextmanager

from stagecut.compiler.frontends.quiet import quiet
from stagecut.compiler.ir.errors import ModelError, told
from stagecut.compiler.ir.stop import asks_to_stop

#: Loggers that say nothing about the model: missing operators of torchvision, rewrites, ...
_CHATTY = ("torch", "onnxscript", "onnx_ir", "transformers")


@contextmanager
def asked(problem: str, *, where: str, fix: str) -> Iterator[None]:
    """Torch is asked for something inside; `problem` is said where it fails, with its reason.

    Errors may be of any kind: operators, their translations and the model's own code run here.
    """
    try:
        with quiet(*_CHATTY):
            yield
    except ModelError:
        raise
    except BaseException as error:
        if asks_to_stop(error):
            raise
        raise ModelError(f"{problem}: {_reason(error)}", where=where, fix=fix) from error


def _reason(error: BaseException) -> str:
    """The first line of the first cause; torch wraps errors in advice for its own developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = told(error).splitlines()
    return lines[0] if lines else type(error).__name__
