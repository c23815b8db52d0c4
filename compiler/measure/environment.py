"""What this machine and its software are, as far as measurements depend on it."""

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_PACKAGES = ("stagecut", "onnxruntime", "openvino", "onnx", "onnx-ir", "onnxscript", "torch")


def cpu_model(cpu_info: Path = _CPU_INFO) -> str:
    """The CPU's name as Linux gives it; the architecture where it gives none."""
    try:
        for line in cpu_info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.machine()


@cache
def versions() -> Mapping[str, str]:
    """The versions of Python and of the packages that a plan depends on, where installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
