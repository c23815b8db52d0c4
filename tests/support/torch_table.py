"""torch in tests: its table of ONNX functions is kept from one export to the next, and its threads
are none, which would wait for each other where the tests of two processes run."""

import copy
import functools
import sys
from typing import Any

_MODULE = "torch.onnx._internal.exporter._registration"


def keep_torch_alone() -> None:
    """On the thread that calls it, once it has been loaded."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads") and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


def keep_torchs_table() -> None:
    """Once torch's exporter has been loaded: it would read and parse 500 functions anew for each
    export, which is most of what the export of a small model takes."""
    registry = getattr(sys.modules.get(_MODULE), "ONNXRegistry", None)
    if registry is None or "kept" in vars(registry):
        return
    registry.kept = functools.cache(registry.from_torchlib)
    registry.from_torchlib = classmethod(_of_the_kept)


def _of_the_kept(registry: Any, opset_version: int | None = None) -> Any:
    """A table of its own for each export, which may add to it."""
    table = copy.copy(registry.kept() if opset_version is None else registry.kept(opset_version))
    table.functions = {target: [*functions] for target, functions in table.functions.items()}
    return table
