"""The protocols between devices, those who run them, and those who watch.

Backend       one device: supports a node, estimates it, prepares a stage
Keeping       a backend that may run nodes together for less
LinkDriver    transfers values one way between two memories
Executable    a prepared stage
Runner        a prepared schedule
Watch         is told when an engine is called, and when it has come back
Listener      is told what a device is asked, and when it has answered
Progress      is told how far a long step has come

`tests/backends/test_contract.py` asks the same of every backend.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import Basis, Device, Memory
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.text import printable
from stagecut.compiler.ir.trace import Trace

if TYPE_CHECKING:  # it takes half a second, and cost tables need none of it
    import onnx_ir as ir

#: A tensor in some memory: always held in a numpy array, in that memory's own number format.
Tensor: TypeAlias = npt.NDArray[Any]
Feeds: TypeAlias = Mapping[str, Tensor]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Support:
    """Yes, or no with the reason."""

    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason


YES = Support()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one pass over a node costs by a device's model; the basis is always "modelled".

    `weight_bytes` is what the node's weights take in the device's memory, padding included; None
    where it is what they take in the model. `load_s` is writing them, once, before anything runs.
    Energy is None where the model does not have it.
    """

    run_s: float
    energy_j: float | None = None
    weight_bytes: int | None = None
    load_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StageProgram:
    """An ONNX model to be run by one device.

    Large initializers are `MappedTensor`s (compiler/formats), which lie in a file that is mapped,
    so that an engine can read them in place. `inputs` and `outputs` are in the order of the model's
    own.
    """

    name: str
    model: "ir.Model"
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    def weight(self, name: str) -> Tensor:
        """The numbers of a weight; raises EngineError where it has none."""
        tensor = self.model.graph.initializers[name].const_value
        if tensor is None:
            raise EngineError(
                "has no data",
                where=f"stage {self.name}, weight {name}",
                fix="load the model together with its external data",
            )
        return as_array(tensor)


class Executable(Protocol):
    """A prepared stage. Safe to call from several threads; never changes its inputs.

    Arrays that come back may share memory with an input, and belong to the caller.
    """

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]: ...


class LinkDriver(Protocol):
    """Transfers values from one memory to another, one way."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def basis(self) -> Basis: ...

    def transfer(self, tensor: Tensor) -> Tensor:
        """The tensor as the target memory holds it; may be the same object."""
        ...

    def estimate(self, value: Value) -> Estimate | None:
        """What transferring `value` costs; None where it has to be measured."""
        ...


class Backend(Protocol):
    """One device. Cheap to create: engines are loaded by `prepare`."""

    @property
    def device(self) -> Device: ...
    @property
    def memory(self) -> Memory: ...
    @property
    def links(self) -> tuple[LinkDriver, ...]:
        """The links between this device's memory and others; empty for devices of the host."""
        ...

    def supports(self, node: Node) -> Support:
        """Whether the device can run all of `node`; pure and cheap."""
        ...

    def estimate(self, node: Node) -> Estimate | None:
        """What `node`, which is supported, costs here; None where it has to be measured."""
        ...

    def prepare(self, stage: StageProgram) -> Executable:
        """Build `stage`; raises EngineError when the engine refuses it.

        Inputs may have open dimensions in the stage's model: sizes that depend on data, or a plan
        at shapes that were not profiled. An engine that has to know them raises EngineError, and
        is asked again with a stage that is bound to one shape, where there is one.
        """
        ...


@runtime_checkable
class Keeping(Protocol):
    """What a backend may offer, too."""

    @property
    def keeps_values(self) -> bool:
        """Whether a node may hand to the next what stays where it was computed, so that both
        together take less than each by itself."""
        ...


class BackendFactory(Protocol):
    """Makes a backend from the options of a device spec, e.g. `{"channels": "64"}`.

    Raises DeviceError for an unknown option, a value that makes no sense, or a device that
    this machine does not have.
    """

    def __call__(self, name: str, options: Mapping[str, str]) -> Backend: ...


@dataclass(frozen=True, slots=True)
class StagedSchedule:
    """A schedule with the program of each of its stages: what an executor carries out as it stands.

    `modelled_s` has an entry for each step: what it counts for where its device or link is
    modelled, None where the clock says. `homes` are the inputs and outputs that are states in the
    memory of the device that reads them, by name, where that is not the host's: such an input is
    there before the run begins, such an output stays there.
    """

    schedule: Schedule
    programs: tuple[StageProgram, ...]
    modelled_s: tuple[float | None, ...]
    homes: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = str(self.schedule).splitlines()
        for program in self.programs:
            reads = ", ".join(f"%{value.name}" for value in program.inputs)
            writes = ", ".join(map(str, program.outputs))
            lines.append(f"{program.name}: ({reads}) -> {writes}")
        return "\n".join(map(printable, lines))


class Runner(Protocol):
    """A prepared schedule, ready to run."""

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]: ...


class Watch(Protocol):
    """Told when an engine is called for a stage, and when it has come back. Entering a stage that
    must not be called raises EngineError."""

    def enter(self, stage: int) -> None: ...
    def leave(self) -> None: ...


class Listener(Protocol):
    """Told what a device is about to be asked (of a node, or of itself), and that it has
    answered. Where it must not be asked, `ask` raises EngineError, and of itself CrashedError."""

    def ask(self, device: str, node: str = "") -> None: ...
    def leave(self) -> None: ...


class RunnerFactory(Protocol):
    """Prepares a schedule on its devices; handed to the passes that measure.

    `outputs` are the names of the values to be handed back. Raises EngineError when an engine
    refuses a stage.
    """

    def __call__(self, staged: StagedSchedule, outputs: Sequence[str]) -> Runner: ...


class Progress(Protocol):
    """Yields `items` as they are; `total` says how many there are where it is not plain."""

    def __call__(
        self, items: Iterable[Item], label: str, total: int | None = None
    ) -> Iterator[Item]: ...


def silent(
    items: Iterable[Item],
    label: str,  # noqa: ARG001  # nobody watches
    total: int | None = None,  # noqa: ARG001
) -> Iterator[Item]:
    """Progress that nobody sees."""
    return iter(items)


def as_array(tensor: "ir.TensorProtocol") -> Tensor:
    """The numbers of a weight, mapped from its file where it lies in one."""
    return np.asarray(tensor.numpy())


def dtype_name(dtype: "ir.DataType") -> str:
    """numpy's name of an element type, "string" for texts."""
    return "string" if dtype.name == "STRING" else str(dtype.numpy().name)
