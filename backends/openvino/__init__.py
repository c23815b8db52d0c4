"""OpenVINO on the CPU: `openvino.f32`, and `openvino.bf16` where the CPU has that format.

These run on all usable CPUs; `openvino.f32.serial` and `openvino.bf16.serial` run on one thread, so
that no other has to be woken.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from stagecut.backends.openvino.device import OpenvinoBackend
from stagecut.backends.options import Options
from stagecut.backends.threads import has_every_cpu, on_threads, usable_cores
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import HOST, Memory

#: Device name -> the precision in which it computes, as OpenVINO's hints name it.
_PRECISIONS = {
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

    `watts_per_thread=X` is as for `cpu.parallel`. `pinning=on` keeps each thread on a CPU of its
    own, which is so unasked where they may use every CPU of the machine.

    Raises DeviceError where the package is missing, or the CPU lacks the precision.
    """
    precision = _PRECISIONS[name]
    own = () if name.endswith(".serial") else ("pinning",)
    told = f"OpenVINO on the CPU in {precision}"
    device = on_threads(name, options, told, precision, also=own)
    usual = "on" if has_every_cpu(device.cores) else "off"
    pinning = Options(name, options).choice("pinning", ("off", "on"), default=usual)
    if not is_installed():
        raise DeviceError(
            "the package openvino is not installed",
            where=f"device {name}",
            fix="pip install 'stagecut[openvino]'",
        )
    if precision == "bf16":
        _check_bf16(name)
    alone = tuple(_alone(device.cores, pinning, options))
    return OpenvinoBackend(device, Memory(HOST), pins=pinning == "on", alone=alone)


def _alone(threads: int, pinning: str, options: Mapping[str, str]) -> Iterator[str]:
    if threads == 1 or "pinning" in options:
        return
    # The other way was at best as fast, and slower beside other sessions (bert-base: 5 %).
    if pinning == "off":
        yield "pinning=on"
    if "threads" not in options and 1 < usable_cores() < threads:
        yield f"threads={usable_cores()}"


def _check_bf16(name: str) -> None:
    from stagecut.backends.openvino import engine

    if "BF16" not in engine.capabilities():
        raise DeviceError(
            "this CPU does not compute in bf16",
            where=f"device {name}",
            fix="use openvino.f32",
        )
