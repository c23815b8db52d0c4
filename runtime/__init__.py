"""Running plans: the session, the executor, transfers between memories, and traces.

`Session` is loaded when first asked for: it brings the engines.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.runtime.session import Session as Session

__all__ = ["Session"]


def __getattr__(name: str) -> object:
    if name == "Session":
        from stagecut.runtime.session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
