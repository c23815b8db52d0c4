"""Running plans: sessions, the executor, decoding, and adapters for PyTorch and ONNX.

`Session`, `DecoderSession`, `Generator` and `onnx_backend` (ONNX's own backend interface) are
loaded when first asked for: they bring the engines.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.runtime.adapters import onnx as onnx_backend
    from stagecut.runtime.decoding.generate import Generator as Generator
    from stagecut.runtime.decoding.session import DecoderSession as DecoderSession
    from stagecut.runtime.session import Session as Session

__all__ = ["DecoderSession", "Generator", "Session", "onnx_backend"]


def __getattr__(name: str) -> object:
    if name == "Session":
        from stagecut.runtime.session import Session

        return Session
    if name == "DecoderSession":
        from stagecut.runtime.decoding.session import DecoderSession

        return DecoderSession
    if name == "Generator":
        from stagecut.runtime.decoding.generate import Generator

        return Generator
    if name == "onnx_backend":
        from stagecut.runtime.adapters import onnx

        return onnx
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
