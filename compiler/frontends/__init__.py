"""Models of many kinds become a `Program`; no frontend's engine is imported before it is needed.

`load_program` is loaded when first asked for: it brings what models are read and folded with, which
a session that looks at graphs has no use for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.compiler.frontends.load import load_program as load_program

__all__ = ["load_program"]


def __getattr__(name: str) -> object:
    if name == "load_program":
        from stagecut.compiler.frontends.load import load_program

        return load_program
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
