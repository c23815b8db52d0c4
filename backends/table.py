"""One folder per kind of device, and the one table that names them.

Other packages add devices through the entry-point group `stagecut.backends`: the entry's name is
the device's name, its value a `BackendFactory`.
"""

import difflib
import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import cast

from stagecut.compiler.ir.device import Backend, BackendFactory
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import Basis

#: Device name -> the factory that makes it. Loaded when the device is asked for.
BUILT_IN = {
    "cpu.serial": "stagecut.backends.cpu:create",
    "cpu.parallel": "stagecut.backends.cpu:create",
    "openvino.f32": "stagecut.backends.openvino:create",
    "openvino.f32.serial": "stagecut.backends.openvino:create",
    "openvino.bf16": "stagecut.backends.openvino:create",
    "openvino.bf16.serial": "stagecut.backends.openvino:create",
    "pim.hbm": "stagecut.backends.pim:create",
    "pim.aim": "stagecut.backends.pim:create",
    "pim.silent": "stagecut.backends.pim:create",
    "pim": "stagecut.backends.pim:create",
    "null": "stagecut.backends.null:create",
}

#: Takes a preset of the user's, and is nothing without one: `pim:FILE.toml,key=value`.
_OWN_PRESET = "pim"

#: What a plan is compiled for when the user names no devices: the real ones that always exist.
DEFAULT_DEVICES = ("cpu.serial", "cpu.parallel")

_ENTRY_POINTS = "stagecut.backends"


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of `stagecut devices`."""

    name: str
    memory: str
    basis: Basis
    description: str
    available: bool
    why_not: str


def create(spec: str) -> Backend:
    """The backend for `NAME[:key=value,...]`; raises DeviceError for what makes no sense."""
    name, _, text = spec.partition(":")
    factory = _factory(name)
    return factory(name, _parse_options(spec, text))


def lasting(spec: str) -> str:
    """The spec as a plan keeps it: what it takes from a file is written out."""
    name, _, text = spec.partition(":")
    if name != _OWN_PRESET:
        return spec
    from stagecut.backends.pim.preset import written_out

    options = written_out(_parse_options(spec, text))
    return f"{name}:{','.join(f'{key}={value}' for key, value in options.items())}"


def create_all(specs: Iterable[str]) -> dict[str, Backend]:
    """The backends for several specs, by device name, in the order given."""
    backends: dict[str, Backend] = {}
    for spec in specs:
        backend = create(spec)
        if backend.device.name in backends:
            raise DeviceError(
                "is given twice", where=f"device {backend.device.name}", fix="leave one of them out"
            )
        backends[backend.device.name] = backend
    return backends


def real_devices(*, lower_precision: bool = False) -> tuple[str, ...]:
    """What a plan is compiled for when the user names no devices: all real ones of this machine.

    Those that compute in less than a model's own precision only where that is wished for.
    """
    usual = ("cpu.serial", "cpu.parallel", "openvino.f32.serial", "openvino.f32")
    lower = ("openvino.bf16.serial", "openvino.bf16")
    wished = (*usual, *lower) if lower_precision else usual
    return tuple(name for name in wished if _listed(name).available)


def names() -> tuple[str, ...]:
    """Every device that can be asked for by name: our own, then those of other packages."""
    ours = (name for name in BUILT_IN if name != _OWN_PRESET)
    return (*ours, *sorted(entry.name for entry in entry_points(group=_ENTRY_POINTS)))


def listed() -> tuple[Listed, ...]:
    """Every device with what it is, or why this machine does not have it."""
    return tuple(_listed(name) for name in names())


def _listed(name: str) -> Listed:
    try:
        device = create(name).device
    except DeviceError as error:
        return Listed(name, "", "measured", "", available=False, why_not=error.problem)
    return Listed(name, device.memory, device.basis, device.description, available=True, why_not="")


def _factory(name: str) -> BackendFactory:
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return cast("BackendFactory", getattr(importlib.import_module(module), attribute))
    for entry in entry_points(group=_ENTRY_POINTS, name=name):
        return cast("BackendFactory", entry.load())
    near = difflib.get_close_matches(name, names(), n=1)
    known = f"the devices are {', '.join(names())}"
    raise DeviceError(
        f"there is no device {name!r}",
        where="--device",
        fix=f"did you mean {near[0]!r}? {known}" if near else known,
    )


def _parse_options(spec: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    if spec.startswith(f"{_OWN_PRESET}:"):
        text = text.replace(".toml:", ".toml,", 1)
        text = f"preset={text}" if "=" not in text.partition(",")[0] else text
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not (key and equals and value):
            raise DeviceError(
                f"option {item!r} is not of the form key=value",
                where=f"device {spec}",
                fix="write NAME:key=value,key=value",
            )
        if key in options:
            raise DeviceError(f"option {key!r} is given twice", where=f"device {spec}")
        options[key] = value
    return options
