"""OpenVINO on the CPU: `openvino.f32`, and `openvino.bf16` where the CPU has that format.

Those run on all usable CPUs; `openvino.f32.serial` and `openvino.bf16.serial` on one thread, which
no other thread has to be woken for.
"""

from collections.abc import Mapping
from importlib.util import find_spec

from stagecut.backends.cpu import WATTS_PER_THREAD
from stagecut.backends.cpu.cores import usable_cpus
from stagecut.backends.openvino.device import OpenvinoBackend, Precision
from stagecut.backends.options import Options
from stagecut.compiler.errors import DeviceError
from stagecut.compiler.machine import HOST, Device, Memory

#: The part of a device's name that says what it computes in -> OpenVINO's precision hint.
_PRECISIONS: Mapping[str, Precision] = {"f32": "f32", "bf16": "bf16"}


def is_installed() -> bool:
    """Whether the package is there; does not load it."""
    return find_spec("openvino") is not None


def create(name: str, options: Mapping[str, str]) -> OpenvinoBackend:
    """`openvino.PRECISION` runs on all usable CPUs or on `threads=N`, and with `.serial` on one.

    `watts_per_thread=X` is as for `cpu.parallel`.

    Raises DeviceError where the package is missing, or the CPU lacks the precision.
    """
    read = Options(name, options)
    _, part, *serial = name.split(".")
    threads = 1 if serial else read.integer("threads", default=usable_cpus(), at_least=1)
    watts = read.number("watts_per_thread", default=WATTS_PER_THREAD, above=0)
    read.refuse_unread()
    if not is_installed():
        raise DeviceError(
            "the package openvino is not installed",
            where=f"device {name}",
            fix="pip install 'stagecut[openvino]'",
        )
    precision = _PRECISIONS[part]
    if precision == "bf16":
        _check_bf16(name)
    plural = "thread" if threads == 1 else "threads"
    description = f"OpenVINO on the CPU in {precision}, {threads} {plural}"
    device = Device(name, HOST, description=description, power_w=threads * watts)
    return OpenvinoBackend(device, threads, precision, Memory(HOST))


def _check_bf16(name: str) -> None:
    from stagecut.backends.openvino import engine

    if "BF16" not in engine.capabilities():
        raise DeviceError(
            "this CPU does not compute in bf16",
            where=f"device {name}",
            fix="use openvino.f32",
        )
