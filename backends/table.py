"""The one table that names every device, and how a backend is made from a spec.

Other packages add devices through the entry-point group `stagecut.backends`: the entry's name is
the device's name, its value a `BackendFactory`.

The module of a factory may have a function `canonical_spec(name, options) -> options`, for options
that mean something on this machine only, such as a file: it writes out what they stand for.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import cast

from stagecut.backends.checked import CheckedBackend, Unheard, checked, heard, renamed, unusable
from stagecut.backends.packages import packages
from stagecut.backends.spec import Spec
from stagecut.backends.threads import CPU
from stagecut.compiler.ir.device import Backend, BackendFactory, Listener
from stagecut.compiler.ir.errors import BrokenDeviceError, CrashedError, DeviceError, told
from stagecut.compiler.ir.machine import HOST, Basis, Device
from stagecut.compiler.ir.stop import asks_to_stop
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
    "cpu.int8.serial": Entry("stagecut.backends.cpu:create"),
    "cpu.int8.parallel": Entry("stagecut.backends.cpu:create"),
    "cpu.int8-dynamic.serial": Entry("stagecut.backends.cpu:create"),
    "cpu.int8-dynamic.parallel": Entry("stagecut.backends.cpu:create"),
    "cpu.int8-static.serial": Entry("stagecut.backends.cpu:create"),
    "cpu.int8-static.parallel": Entry("stagecut.backends.cpu:create"),
    "cpu.int4.serial": Entry("stagecut.backends.cpu:create"),
    "cpu.int4.parallel": Entry("stagecut.backends.cpu:create"),
    "openvino.f32.serial": Entry("stagecut.backends.openvino:create"),
    "openvino.f32": Entry("stagecut.backends.openvino:create"),
    "openvino.bf16.serial": Entry("stagecut.backends.openvino:create"),
    "openvino.bf16": Entry("stagecut.backends.openvino:create"),
    "openvino.int8.serial": Entry("stagecut.backends.openvino:create"),
    "openvino.int8": Entry("stagecut.backends.openvino:create"),
    "openvino.int8-static.serial": Entry("stagecut.backends.openvino:create"),
    "openvino.int8-static": Entry("stagecut.backends.openvino:create"),
    "openvino.int4.serial": Entry("stagecut.backends.openvino:create"),
    "openvino.int4": Entry("stagecut.backends.openvino:create"),
    "pim.hbm": Entry("stagecut.backends.pim:create"),
    "pim.aim": Entry("stagecut.backends.pim:create"),
    "pim.silent": Entry("stagecut.backends.pim:create"),
    "pim": Entry("stagecut.backends.pim:create", needs_options=True),
    "manycore.snitch16": Entry("stagecut.backends.manycore:create"),
    "manycore.occamy": Entry("stagecut.backends.manycore:create"),
    "manycore": Entry("stagecut.backends.manycore:create", needs_options=True),
    "null": Entry("stagecut.backends.null:create", for_tests=True),
}

#: Devices that are there wherever stagecut is.
_ALWAYS = frozenset(name for name in BUILT_IN if name.startswith("cpu."))


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


#: Where nobody wants to know what a device is asked.
UNHEARD = Unheard()


def create(spec: str, listener: Listener = UNHEARD) -> Backend:
    """The backend for `NAME[:key=value,...]`; raises DeviceError for what makes no sense."""
    return _created(spec, listener).inner


def canonical_spec(spec: str, listener: Listener = UNHEARD) -> str:
    """The spec as a plan keeps it: what it takes from a file is written out."""
    parsed = Spec.parse(spec)
    with _asked(parsed.name, listener):
        _, module = _loaded(parsed.name)
        canonical = getattr(module, "canonical_spec", None)
        if canonical is None:
            return str(parsed)
        return str(replace(parsed, options=canonical(parsed.name, parsed.options)))


def create_all(specs: Iterable[str], listener: Listener = UNHEARD) -> dict[str, CheckedBackend]:
    """The backends for several specs, by device name, in the order given; what they answer is
    checked, and `listener` is told of what they are asked."""
    backends: dict[str, CheckedBackend] = {}
    for spec in specs:
        backend = _created(spec, listener)
        if backend.device.name in backends:
            raise DeviceError(
                "is given twice",
                where=f"device {backend.device.name}",
                fix=f"leave one of them out, or give each a name: --device a={spec}",
            )
        backends[backend.device.name] = backend
    return backends


def create_from_plan(
    specs: Iterable[str], listener: Listener = UNHEARD
) -> dict[str, CheckedBackend]:
    """As `create_all`, for specs that stand in a plan: none of them may read a file; `listener` is
    told of the stages that they prepare, too."""
    backends = create_all([str(Spec.of_plan(spec)) for spec in specs], listener)
    return {name: heard(backend) for name, backend in backends.items()}


def _created(spec: str, listener: Listener) -> CheckedBackend:
    parsed = Spec.parse(spec)
    _check_own_name(parsed)
    with _asked(parsed.name, listener):
        factory, _ = _loaded(parsed.name)
        backend = checked(parsed.name, factory(parsed.name, parsed.options), listener)
        return renamed(backend, parsed.own) if parsed.own else backend


def _check_own_name(spec: Spec) -> None:
    """Names of ours mean something: outputs are held against those of the device cpu.serial."""
    if spec.own and spec.own in {*names(), HOST, CPU}:
        raise DeviceError(
            f"{spec.own!r} is the name of something else",
            where=f"device {spec}",
            fix=f"call it otherwise: my.{spec.own}={spec.name}",
        )


@contextmanager
def _asked(name: str, listener: Listener) -> Iterator[None]:
    """While a device's own code runs: what it raises becomes a DeviceError."""
    listener.ask(name)
    try:
        yield
    except BaseException as error:  # it is somebody else's code
        raise unusable(name, error) from error
    finally:
        listener.leave()


#: In place of a precision: whatever there is.
AUTO = "auto"


def survey(
    *, lower_precision: str = "", listener: Listener = UNHEARD
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The real devices of this machine, and sentences about those that are broken; each is made
    once.

    Who names no devices gets the former, and did not ask for less. Those that compute in less than
    a model's own precision are among them only where that is wished for: in `lower_precision`, by
    the word that it begins with, or AUTO for any. Of those that crashed, whoever was told then
    knows.
    """
    real: list[str] = []
    problems: dict[str, list[str]] = {}
    for name, entry in _entries().items():
        if entry.for_tests or entry.needs_options:
            continue
        try:
            device = _created(name, listener).device
        except CrashedError:
            continue
        except BrokenDeviceError as error:
            problems.setdefault(error.problem, []).append(name)
        except DeviceError:
            continue
        else:
            if device.basis == "measured" and _is_wished(device, lower_precision):
                real.append(name)
    for package, why in packages().broken.items():
        problems.setdefault(why, []).append(package)
    broken = (f"{', '.join(names)} left out: {why}" for why, names in problems.items())
    return tuple(real), tuple(broken)


def _is_wished(device: Device, lower_precision: str) -> bool:
    if device.keeps_precision or lower_precision == AUTO:
        return True
    return bool(lower_precision) and device.precision.startswith(lower_precision)


def real_devices(*, lower_precision: str = "", listener: Listener = UNHEARD) -> tuple[str, ...]:
    """What a plan is compiled for when the user names no devices."""
    return survey(lower_precision=lower_precision, listener=listener)[0]


def left_out(listener: Listener = UNHEARD) -> tuple[str, ...]:
    """Sentences about the devices that are not among the real ones because they are broken."""
    return survey(listener=listener)[1]


def always(specs: Mapping[str, str]) -> frozenset[str]:
    """Those of the devices, specs by name, that are there wherever stagecut is."""
    return frozenset(name for name, spec in specs.items() if Spec.parse(spec).name in _ALWAYS)


def names() -> tuple[str, ...]:
    """Every device that can be asked for by name alone: our own, then those of other packages."""
    return tuple(name for name, entry in _entries().items() if not entry.needs_options)


def listed(listener: Listener = UNHEARD) -> tuple[Listed, ...]:
    """Every device with what it is, or why this machine does not have it; and packages that may
    have further ones, and cannot be read."""
    unread = (_unavailable(name, why) for name, why in packages().broken.items())
    return (*(_listed(name, listener) for name in names()), *unread)


def _unavailable(name: str, why: str) -> Listed:
    return Listed(name, "", "measured", "", available=False, why_not=why)


def _listed(name: str, listener: Listener) -> Listed:
    try:
        device = _created(name, listener).device
    except DeviceError as error:
        return _unavailable(name, error.problem)
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


def _entries() -> dict[str, Entry]:
    """Our own, then those of other packages, which take no name of ours."""
    theirs = packages().factories
    others = sorted(theirs.keys() - BUILT_IN.keys())
    return {**BUILT_IN, **{name: Entry(theirs[name]) for name in others}}


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
    except BaseException as error:  # whatever its code does when it is loaded
        if asks_to_stop(error):
            raise
        raise BrokenDeviceError(
            f"its package cannot be loaded: {told(error)}",
            where=f"device {name}",
            fix=f"mend or remove the package that has {entry.factory}",
        ) from error
