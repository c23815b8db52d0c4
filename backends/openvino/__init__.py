"""OpenVINO on the CPU: `openvino.f32`, and `openvino.bf16` where the CPU has that format.

Those run on all usable CPUs; `openvino.f32.serial` and `openvino.bf16.serial` on one thread, which
no other thread has to be woken for.
"""

from collections.abc import Mapping
from importlib.util import find_spec

from stagecut.backends.openvino.device import OpenvinoBackend, Precision
from stagecut.backends.threads import on_threads
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import HOST, Memory

#: Device name -> what it computes in; the names of OpenVINO's precision hints.
_PRECISIONS: Mapping[str, Precision] = {
    "openvino.f32": "f32",
    "openvino.f32.serial": "f32",
    "openvino.bf16": "bf16",
    "openvino.bf16.serial": "bf16",
}


def is_installed() -> bool:
    """Whether the package is there; does not load it."""
    return find_spec("openvino") is not None


def create(name: str, options: Mapping[str, str]) -> OpenvinoBackend:
    """`openvino.PRECISION` runs on all usable CPUs or on `threads=N`, and with `.serial` on one.

    `watts_per_thread=X` is as for `cpu.parallel`.

    Raises DeviceError where the package is missing, or the CPU lacks the precision.
    """
    precision = _PRECISIONS[name]
    device, threads = on_threads(name, options, f"OpenVINO on the CPU in {precision}")
    if not is_installed():
        raise DeviceError(
            "the package openvino is not installed",
            where=f"device {name}",
            fix="pip install 'stagecut[openvino]'",
        )
    if precision == "bf16":
        _check_bf16(name)
    return OpenvinoBackend(device, threads, precision, Memory(HOST))


def _check_bf16(name: str) -> None:
    from stagecut.backends.openvino import engine

    if "BF16" not in engine.capabilities():
        raise DeviceError(
            "this CPU does not compute in bf16",
            where=f"device {name}",
            fix="use openvino.f32",
        )
