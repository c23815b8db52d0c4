"""Configurations of a device: for when nothing else competes with it, and for several callers.

An engine that shares the machine with others should sleep while it waits. In a plan of one stage
there are no others, so that how its threads wait, how many there are and where they run is tried:
a configuration is options of the device, `waiting=spin,pinning=on`, with which a plan may ask for
the same device again. It computes the same numbers; only time and processor time may differ.

In a stream, several replicas of a stage call it at once. An engine that serves one caller at a time
says with which configuration it serves more; one whose callers share a session may serve each by
one of its own.
"""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from stagecut.backends.spec import Spec
from stagecut.compiler.ir.device import Backend, StageProgram
from stagecut.compiler.ir.graph import Node


@runtime_checkable
class Configurable(Protocol):
    """What a backend may offer, too."""

    @property
    def alone(self) -> tuple[str, ...]:
        """Configurations worth trying where nothing else competes; none that change an option that
        was given."""
        ...


def configurations(backend: Backend) -> tuple[str, ...]:
    """Those that `backend` offers."""
    return backend.alone if isinstance(backend, Configurable) else ()


@runtime_checkable
class Serving(Protocol):
    """What a backend may offer, too."""

    def serving(self, callers: int) -> str:
        """The configuration in which a stage serves so many callers at once; empty where it does
        so anyway."""
        ...

    def serving_one(self) -> str:
        """The configuration in which it serves one caller at a time, and keeps nothing for others;
        empty where it does so anyway."""
        ...


@runtime_checkable
class Apart(Protocol):
    """What a backend whose callers share a session may offer, too."""

    def apart(self, callers: int) -> str:
        """The configuration in which each of so many callers at once has a session of its own, and
        what the engine makes of the weights once for each; empty where there is none."""
        ...


@runtime_checkable
class Helped(Protocol):
    """What a backend with a thread for each caller may offer, too."""

    def helped(self, callers: int) -> str:
        """The configuration in which so many callers at once share further threads, which help
        whoever calls; empty where there is none."""
        ...


def helped(backend: Backend, callers: int) -> str:
    """The configuration in which so many callers at once share further threads; empty where there
    is none."""
    return backend.helped(callers) if isinstance(backend, Helped) and callers > 1 else ""


def apart(backend: Backend, callers: int) -> str:
    """The configuration in which each of so many callers at once has a session of its own; empty
    where there is none."""
    return backend.apart(callers) if isinstance(backend, Apart) and callers > 1 else ""


def serving(backend: Backend, callers: int) -> str:
    """The configuration in which a stage of `backend` serves so many callers at once; empty where
    it does so anyway."""
    return backend.serving(callers) if isinstance(backend, Serving) else ""


def serving_one(backend: Backend) -> str:
    """The configuration in which a stage of `backend` serves one caller at a time; empty where it
    keeps nothing for others anyway."""
    return backend.serving_one() if isinstance(backend, Serving) else ""


@runtime_checkable
class Quantising(Protocol):
    """What a backend of lower precision may offer, too."""

    def quantises(self, node: Node) -> bool:
        """Whether it computes this node otherwise than in the model's precision."""
        ...


def quantises(backend: Backend, node: Node) -> bool:
    """Whether `backend` computes this node in less than the model's precision: any, where it does
    not tell them apart."""
    if backend.device.keeps_precision:
        return False
    return not isinstance(backend, Quantising) or backend.quantises(node)


@runtime_checkable
class Calibrated(Protocol):
    """What a backend that quantises activations by what samples had may offer, too."""

    def ranged(self, node: Node) -> tuple[str, ...]:
        """The values of which it has to know between which numbers they are: what `prepare` finds
        with the nodes of its stage then (compiler/formats/node_ranges.py)."""
        ...


def ranged(backend: Backend, node: Node) -> tuple[str, ...]:
    """The values of which `backend` has to know between which numbers they are."""
    return backend.ranged(node) if isinstance(backend, Calibrated) else ()


@runtime_checkable
class Storing(Protocol):
    """What a backend that holds weights in few bits may offer, too."""

    def stored(self, stage: StageProgram) -> StageProgram:
        """The stage as a plan stores it, so that preparing it quantises nothing: weights are
        QuantisedTensors (compiler/formats). It computes the same numbers."""
        ...


def stored(backend: Backend, stage: StageProgram) -> StageProgram:
    """The stage as a plan stores it; raises EngineError where the device cannot quantise it."""
    return backend.stored(stage) if isinstance(backend, Storing) else stage


def configured(spec: str, configuration: str) -> str:
    """The spec with the options of a configuration of its device."""
    given = Spec.parse(spec)
    changed = Spec.parse(f"{given.name}:{configuration}")
    return str(replace(given, options={**given.options, **changed.options}))
