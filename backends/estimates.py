"""What a modelled device says of one operator alone: `stagecut estimate`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from stagecut.backends.table import UNHEARD, create
from stagecut.compiler.ir.device import Listener
from stagecut.compiler.ir.errors import EngineError, StagecutError, UsageError, named
from stagecut.compiler.ir.stop import asks_to_stop

Shape: TypeAlias = tuple[int, ...]


class Answer(Protocol):
    """An answer as data for `--json`, and in lines for people."""

    def document(self) -> dict[str, object]: ...
    def lines(self) -> list[str]: ...


@runtime_checkable
class OperatorModel(Protocol):
    """What a backend can answer, too, where its device is modelled.

    `op` is an ONNX operator without attributes; `shapes` has one entry for each operand. `dtype` is
    the number format, by default that of the device. Both raise UsageError, ShapeError for shapes
    that do not fit together, and UnplaceableError where the device cannot run the operator, or has
    no room for its weights.
    """

    def estimate_operator(self, op: str, shapes: Sequence[Shape], dtype: str | None) -> Answer:
        """What it costs."""
        ...

    def place_operator(self, op: str, shapes: Sequence[Shape], dtype: str | None) -> Answer:
        """Where its weights lie in the device's memory."""
        ...


def operator_model(spec: str, listener: Listener = UNHEARD) -> OperatorModel:
    """The device that `spec` describes; raises DeviceError, and UsageError for one without."""
    backend = create(spec, listener)
    if isinstance(backend, OperatorModel):
        return backend
    raise UsageError(
        f"{backend.device.name} has no timing model",
        where="estimate",
        fix="name a device that is modelled; `stagecut devices` says which are",
    )


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that can be printed."""

    document: dict[str, object]
    lines: list[str]


def said(device: str, question: Callable[[], Answer]) -> Said:
    """What `device` answers `question`. Raises EngineError where it fails at it, as somebody's own
    numbers or somebody else's code may let it, or where some number is none."""
    try:
        answer = question()
        found = Said(dict(answer.document()), [*map(str, answer.lines())])
        json.dumps(found.document, allow_nan=False)
    except StagecutError:
        raise
    except BaseException as error:
        if asks_to_stop(error):
            raise
        raise EngineError(
            f"cannot be computed: {named(error)}",
            where=f"device {device}",
            fix="look for a number of it that is too large or too small, or leave it to its preset",
        ) from error
    return found
