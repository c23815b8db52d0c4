"""`torch.compile` in tests: with few measurements, and no warning that is not expected."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import torch

from stagecut.compiler.context import Settings
from stagecut.compiler.pipeline import compile_model
from stagecut.runtime.adapters import torch_graph


@contextmanager
def quick_compiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that was compiled before is used; warnings are errors."""
    torch._dynamo.reset()
    quick = partial(compile_model, devices=["cpu.serial"], settings=Settings(effort="quick"))
    monkeypatch.setattr(torch_graph, "compile_model", quick)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield
