"""Models of many kinds become a `Program`; no frontend's engine is imported before it is needed."""

from stagecut.compiler.frontends.load import load_program as load_program

__all__ = ["load_program"]
