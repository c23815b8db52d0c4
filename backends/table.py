"""The one table that names every device, and how a backend is made from a spec.

Other packages add devices through the entry-point group `stagecut.backends`: the entry's name is
the device's name, its value a `BackendFactory`.

The module of a factory may have a function `canonical_spec(name, options) -> options`, for options
that mean something on this machine only, such as a file: it writes out what they stand for.
"""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType
from typing import cast

from stagecut.backends.spec import Spec
from stagecut.compiler.ir.device import Backend, BackendFactory
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import Basis, Device
from stagecut.compiler.ir.text import suggestion


@dataclass(frozen=True, slots=True)
class Entry:
    """`factory` is `module:name`, loaded when the device is asked for.

    What is `for_tests` is never taken unless it is named; what `needs_options` is no device without
    any, so that it is not listed.
    """

    factory: str
    for_tests: bool = False
    needs_options: bool = False


#: Device name -> where it comes from. Of equals, the first is taken.
BUILT_IN = {
    "cpu.serial": Entry("stagecut.backends.cpu:create"),
    "cpu.parallel": Entry("stagecut.backends.cpu:create"),
    "openvino.f32.serial": Entry("stagecut.backends.openvino:create"),
    "openvino.f32": Entry("stagecut.backends.openvino:create"),
    "openvino.bf16.serial": Entry("stagecut.backends.openvino:create"),
    "openvino.bf16": Entry("stagecut.backends.openvino:create"),
    "pim.hbm": Entry("stagecut.backends.pim:create"),
    "pim.aim": Entry("stagecut.backends.pim:create"),
    "pim.silent": Entry("stagecut.backends.pim:create"),
    "pim": Entry("stagecut.backends.pim:create", needs_options=True),
    "null": Entry("stagecut.backends.null:create", for_tests=True),
}

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
    precision: str = ""
    resource: str = ""
    cores: int = 0


def create(spec: str) -> Backend:
    """The backend for `NAME[:key=value,...]`; raises DeviceError for what makes no sense."""
    parsed = Spec.parse(spec)
    factory, _ = _loaded(parsed.name)
    return factory(parsed.name, parsed.options)


def canonical_spec(spec: str) -> str:
    """The spec as a plan keeps it: what it takes from a file is written out."""
    parsed = Spec.parse(spec)
    _, module = _loaded(parsed.name)
    canonical = getattr(module, "canonical_spec", None)
    if canonical is None:
        return str(parsed)
    return str(Spec(parsed.name, canonical(parsed.name, parsed.options)))


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
    return tuple(
        name
        for name, entry in _entries().items()
        if not (entry.for_tests or entry.needs_options)
        and (device := _device(name))
        and device.basis == "measured"
        and (lower_precision or device.keeps_precision)
    )


def names() -> tuple[str, ...]:
    """Every device that can be asked for by name alone: our own, then those of other packages."""
    return tuple(name for name, entry in _entries().items() if not entry.needs_options)


def listed() -> tuple[Listed, ...]:
    """Every device with what it is, or why this machine does not have it."""
    return tuple(map(_listed, names()))


def _listed(name: str) -> Listed:
    try:
        device = create(name).device
    except DeviceError as error:
        return Listed(name, "", "measured", "", available=False, why_not=error.problem)
    return Listed(
        name,
        device.memory,
        device.basis,
        device.description,
        available=True,
        why_not="",
        precision=device.precision,
        resource=device.keeps_busy,
        cores=device.cores,
    )


def _device(name: str) -> Device | None:
    """None where this machine does not have it."""
    try:
        return create(name).device
    except DeviceError:
        return None


def _entries() -> dict[str, Entry]:
    """Our own, then those of other packages, which take no name of ours."""
    theirs = {entry.name: Entry(entry.value) for entry in entry_points(group=_ENTRY_POINTS)}
    return {**BUILT_IN, **{name: theirs[name] for name in sorted(theirs.keys() - BUILT_IN.keys())}}


def _loaded(name: str) -> tuple[BackendFactory, ModuleType]:
    """The factory of a device, and the module that it is in."""
    entry = BUILT_IN.get(name) or _entries().get(name)
    if entry is None:
        listing = f"the devices are {', '.join(names())}"
        raise DeviceError(
            f"there is no device {name!r}", where="--device", fix=suggestion(name, names(), listing)
        )
    path, _, attribute = entry.factory.partition(":")
    try:
        module = importlib.import_module(path)
        return cast("BackendFactory", getattr(module, attribute)), module
    except (ImportError, AttributeError) as error:
        raise DeviceError(
            f"its package cannot be loaded: {error}",
            where=f"device {name}",
            fix=f"mend or remove the package that has {entry.factory}",
        ) from error
