"""Backends as the compiler and sessions see them: whatever they answer has been looked at.

A backend is somebody else's code: it may raise, and it may answer what makes no sense. What it says
of itself is read once, and has to make sense (DeviceError); a node that it cannot be asked about is
one that it does not support; an estimate that is none is an EngineError. The results of stages are
looked at where they arrive, in runtime/prepare.py.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import TypeVar, get_args

from stagecut.backends.configurations import (
    apart,
    configurations,
    helped,
    quantises,
    ranged,
    serving,
    serving_one,
    stored,
)
from stagecut.compiler.ir.device import (
    Backend,
    Estimate,
    Executable,
    Keeping,
    LinkDriver,
    Listener,
    StageProgram,
    Support,
    Tensor,
)
from stagecut.compiler.ir.errors import (
    BrokenDeviceError,
    DeviceError,
    EngineError,
    StagecutError,
    UsageError,
    named,
)
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import HOST, Basis, Device, Memory
from stagecut.compiler.ir.stop import asks_to_stop

Answer = TypeVar("Answer")

_BASES: tuple[Basis, ...] = get_args(Basis)
_MEND = "mend or remove the package that brings {}"


class Unheard:
    """A Listener to whom nobody listens."""

    def ask(self, device: str, node: str = "") -> None: ...
    def leave(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CheckedLink:
    """A link whose costs make sense; what it transfers is looked at where it arrives."""

    driver: LinkDriver
    source: str
    target: str
    basis: Basis
    device: str
    listener: Listener

    def transfer(self, tensor: Tensor) -> Tensor:
        return self.driver.transfer(tensor)

    def estimate(self, value: Value) -> Estimate | None:
        where = f"link {self.source} > {self.target} of {self.device}"
        answer = _asked(lambda: self.driver.estimate(value), self.device, "", self.listener, where)
        return _estimate(answer, self.basis, where)


@dataclass(frozen=True, slots=True)
class CheckedBackend:
    """`inner` with its answers checked; `listener` is told of each question."""

    inner: Backend
    device: Device
    memory: Memory
    links: tuple[CheckedLink, ...]
    alone: tuple[str, ...]
    listener: Listener
    keeps_values: bool = False

    def supports(self, node: Node) -> Support:
        """A refusal where no answer is to be had."""
        name = self.device.name
        try:
            answer: object = _asked(
                lambda: self.inner.supports(node), name, node.name, self.listener, name
            )
        except EngineError as error:
            return Support(error.problem)
        if isinstance(answer, Support) and isinstance(answer.reason, str):
            return answer
        return Support(f"answers {_shown(answer)} when it is asked for its support")

    def estimate(self, node: Node) -> Estimate | None:
        name = self.device.name
        where = f"node {node.name} on {name}"
        answer = _asked(lambda: self.inner.estimate(node), name, node.name, self.listener, where)
        return _estimate(answer, self.device.basis, where)

    def prepare(self, stage: StageProgram) -> Executable:
        return self.inner.prepare(stage)

    def quantises(self, node: Node) -> bool:
        """Any node, where no answer is to be had."""
        name = self.device.name
        try:
            answer: object = _asked(
                lambda: quantises(self.inner, node), name, node.name, self.listener, name
            )
        except EngineError:
            return True
        return answer is not False

    def ranged(self, node: Node) -> tuple[str, ...]:
        """None, where no answer is to be had."""
        name = self.device.name
        try:
            answer: object = _asked(
                lambda: ranged(self.inner, node), name, node.name, self.listener, name
            )
        except EngineError:
            return ()
        return tuple(map(str, answer)) if isinstance(answer, tuple) else ()

    def stored(self, stage: StageProgram) -> StageProgram:
        """As it is, which computes the same, where no answer is to be had."""
        name = self.device.name
        try:
            answer: object = _asked(
                lambda: stored(self.inner, stage), name, "", self.listener, name
            )
        except EngineError:
            return stage
        return answer if isinstance(answer, StageProgram) else stage

    def apart(self, callers: int) -> str:
        name = self.device.name
        answer = _asked(lambda: apart(self.inner, callers), name, "", self.listener, name)
        return _text(name, "apart", answer, empty=True)

    def helped(self, callers: int) -> str:
        name = self.device.name
        answer = _asked(lambda: helped(self.inner, callers), name, "", self.listener, name)
        return _text(name, "helped", answer, empty=True)

    def serving(self, callers: int) -> str:
        name = self.device.name
        answer = _asked(lambda: serving(self.inner, callers), name, "", self.listener, name)
        return _text(name, "serving", answer, empty=True)

    def serving_one(self) -> str:
        name = self.device.name
        answer = _asked(lambda: serving_one(self.inner), name, "", self.listener, name)
        return _text(name, "serving_one", answer, empty=True)


@dataclass(frozen=True, slots=True)
class HeardBackend(CheckedBackend):
    """Of a plan that is run: its listener is told of stages, too, which nobody else watches."""

    def prepare(self, stage: StageProgram) -> Executable:
        self.listener.ask(self.device.name, stage.name)
        try:
            return self.inner.prepare(stage)
        finally:
            self.listener.leave()


def heard(backend: CheckedBackend) -> HeardBackend:
    """The same, with a listener that is told of the stages, too."""
    return HeardBackend(*(getattr(backend, each.name) for each in fields(backend)))


def checked(name: str, backend: Backend, listener: Listener) -> CheckedBackend:
    """What the factory of the device `name` made; raises DeviceError where what it says of itself
    makes no sense."""
    memory = _memory(name, backend.memory)
    device = _device(name, backend.device, memory)
    links = tuple(_link(device.name, link, memory, listener) for link in backend.links)
    offered: object = configurations(backend)
    if not isinstance(offered, tuple | list):
        raise _nonsense(name, "alone", offered)
    alone = tuple(_text(name, "alone", each) for each in offered)
    keeps: object = backend.keeps_values if isinstance(backend, Keeping) else False
    if not isinstance(keeps, bool):
        raise _nonsense(name, "keeps_values", keeps)
    return CheckedBackend(backend, device, memory, links, alone, listener, keeps)


def renamed(backend: CheckedBackend, name: str) -> CheckedBackend:
    """The same device under another name, in a memory of that name unless it lives in the host's:
    beside the same one with other options. Devices in the host's memory compete as they did."""
    device, memory = backend.device, backend.memory
    own = {memory.name: name} if memory.name != HOST else {}
    busy = name if device.resource in {"", device.name} else device.resource
    return replace(
        backend,
        device=replace(
            device, name=name, memory=own.get(device.memory, device.memory), resource=busy
        ),
        memory=replace(memory, name=own.get(memory.name, memory.name)),
        links=tuple(
            replace(
                link,
                source=own.get(link.source, link.source),
                target=own.get(link.target, link.target),
                device=name,
            )
            for link in backend.links
        ),
    )


def unusable(name: str, error: BaseException) -> StagecutError:
    """What somebody else's code raised while the device `name` was made, as an error of it; raises
    it as it is where it is the user's wish."""
    if asks_to_stop(error):
        raise error
    if isinstance(error, DeviceError | UsageError):
        return error
    return BrokenDeviceError(
        f"cannot be used: {named(error)}", where=f"device {name}", fix=_MEND.format(name)
    )


def _asked(
    question: Callable[[], Answer], device: str, node: str, listener: Listener, where: str
) -> Answer:
    """The answer; raises EngineError where the backend raises anything."""
    listener.ask(device, node)
    try:
        return question()
    except BaseException as error:  # it is somebody else's code
        if asks_to_stop(error):
            raise
        raise EngineError(
            f"its backend failed when it was asked: {named(error)}",
            where=where,
            fix=f"leave {device} out, or mend its package",
        ) from error
    finally:
        listener.leave()


def _estimate(answer: object, basis: Basis, where: str) -> Estimate | None:
    """The answer with plain numbers; raises EngineError for one that is no estimate."""
    if answer is None and basis == "measured":
        return None
    if isinstance(answer, Estimate) and basis == "modelled":
        with suppress(ValueError, OverflowError):
            return Estimate(
                _amount(answer.run_s),
                None if answer.energy_j is None else _amount(answer.energy_j),
                None if answer.weight_bytes is None else _count(answer.weight_bytes),
                _amount(answer.load_s),
            )
    raise EngineError(
        f"answers {_shown(answer)} when it is asked what it costs, and is {basis}",
        where=where,
        fix="mend its package: a modelled device answers an Estimate, a measured one None",
    )


def _device(name: str, device: object, memory: Memory) -> Device:
    """The device with plain numbers. It has the name that it was asked for by, or one below it."""
    if not isinstance(device, Device):
        raise _nonsense(name, "device", device)
    own = _text(name, "device.name", device.name)
    if own != name and not own.startswith(f"{name}."):
        raise _nonsense(name, "device.name", own)
    if device.memory != memory.name:
        raise _nonsense(name, "device.memory", device.memory)
    for field in ("description", "precision", "resource"):
        _text(name, f"device.{field}", getattr(device, field), empty=True)
    cores = _checked(_count, name, "device.cores", device.cores)
    if not cores:
        raise _nonsense(name, "device.cores", cores)
    return replace(
        device,
        basis=_basis(name, "device.basis", device.basis),
        stage_s=_checked(_amount, name, "device.stage_s", device.stage_s),
        cores=cores,
        power_w=_perhaps(name, "device.power_w", device.power_w),
        peak_flop_per_s=_perhaps(name, "device.peak_flop_per_s", device.peak_flop_per_s),
        peak_bytes_per_s=_perhaps(name, "device.peak_bytes_per_s", device.peak_bytes_per_s),
    )


def _memory(name: str, memory: object) -> Memory:
    if not isinstance(memory, Memory):
        raise _nonsense(name, "memory", memory)
    if ">" in _text(name, "memory.name", memory.name):  # it stands in routes
        raise _nonsense(name, "memory.name", memory.name)
    _text(name, "memory.host", memory.host)
    if memory.capacity_bytes is None:
        return memory
    room = _checked(_count, name, "memory.capacity_bytes", memory.capacity_bytes)
    return replace(memory, capacity_bytes=room)


def _link(name: str, driver: LinkDriver, memory: Memory, listener: Listener) -> CheckedLink:
    source = _text(name, "link.source", driver.source)
    target = _text(name, "link.target", driver.target)
    if source == target or memory.name not in {source, target}:
        raise _nonsense(name, "link", f"{source} > {target}")
    basis = _basis(name, "link.basis", driver.basis)
    return CheckedLink(driver, source, target, basis, name, listener)


def _text(name: str, what: str, text: object, *, empty: bool = False) -> str:
    if isinstance(text, str) and (text or empty):
        return text
    raise _nonsense(name, what, text)


def _basis(name: str, what: str, basis: object) -> Basis:
    for known in _BASES:
        if basis == known:
            return known
    raise _nonsense(name, what, basis)


def _perhaps(name: str, what: str, number: object) -> float | None:
    return None if number is None else _checked(_amount, name, what, number)


def _checked(kind: Callable[[object], Answer], name: str, what: str, number: object) -> Answer:
    try:
        return kind(number)
    except (ValueError, OverflowError):
        raise _nonsense(name, what, number) from None


def _amount(number: object) -> float:
    """A finite number that is not negative; raises ValueError."""
    if isinstance(number, Real) and not isinstance(number, bool):
        plain = float(number)
        if 0 <= plain < math.inf:
            return plain
    raise ValueError


def _count(number: object) -> int:
    if isinstance(number, Integral) and not isinstance(number, bool):
        plain = int(number)
        if plain >= 0:
            return plain
    raise ValueError


def _nonsense(name: str, what: str, answer: object) -> BrokenDeviceError:
    return BrokenDeviceError(
        f"says that its {what} is {_shown(answer)}",
        where=f"device {name}",
        fix=_MEND.format(name),
    )


def _shown(answer: object) -> str:
    """Short, whatever it is."""
    try:
        text = repr(answer)
    except Exception:  # it is somebody else's code that makes the text
        text = f"a {type(answer).__name__}"
    return text if len(text) <= 80 else f"{text[:80]}..."
