"""What this machine and its software are, as far as measurements depend on it."""

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")

#: Those on which it depends how products of few bits are computed, and how fast they are.
_COUNTED_SETS = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
)
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


def instruction_sets(cpu_info: Path = _CPU_INFO) -> tuple[str, ...]:
    """Those of the CPU that count for fewer bits, as Linux names them; none where it does not."""
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        return ()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return tuple(name for name in _COUNTED_SETS if name in flags)


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
