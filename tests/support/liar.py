"""A device of another package that lies, raises or dies, where and how it is told to.

    liar:at=run,does=segfault,on=Tanh,least=2      in stages of two operators, one of them a Tanh

There are `liar` and `liar0` to `liar8`. `at` is what is asked of it: canonical, create, device,
memory, links, alone, keeps_values, supports, estimate, prepare, run, link, transfer. It is right
about everything else, as `null` is.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from stagecut.backends import null
from stagecut.backends.null.device import NullBackend, NullLink
from stagecut.compiler.ir.device import Estimate, LinkDriver, StageProgram, Support, Tensor
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import Device, Memory

Truth = TypeVar("Truth")


class UnspeakableError(Exception):
    """Even to say what is wrong fails."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class PanicError(BaseException):
    """As engines in other languages raise it."""


def _raises(error: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


def _recurse() -> object:
    return _recurse()


def _hang() -> object:
    """In native code, with Python's lock held, after it has said which process it is."""
    Path("hanging").write_text(str(os.getpid()))
    return ctypes.PyDLL(None).sleep(1_000_000)


def _spin() -> object:
    while True:
        pass


#: What it does instead of answering: raise,
ERRORS: Mapping[str, Callable[[], object]] = {
    "ValueError": _raises(ValueError("no such thing")),
    "unspeakable": _raises(UnspeakableError()),
    "MemoryError": _raises(MemoryError()),
    "RecursionError": _recurse,
    "SystemExit": lambda: sys.exit(0),
    "panic": _raises(PanicError("at src/lib.rs:7")),
}
#: answer nonsense,
NONSENSE: Mapping[str, Callable[[], object]] = {
    "None": lambda: None,
    "True": lambda: True,
    "list": lambda: [1, 2],
    "text": lambda: "yes",
    "number": lambda: -1.5,
    "nan": lambda: Estimate(float("nan")),
    "negative": lambda: Estimate(1e-6, energy_j=-1.0),
    "many bytes": lambda: Estimate(1e-6, weight_bytes=1.5),  # type: ignore[arg-type]
    "reason": lambda: Support(7),  # type: ignore[arg-type]
}
#: or end the process.
ENDS: Mapping[str, Callable[[], object]] = {
    "exit 0": lambda: os._exit(0),
    "exit 3": lambda: os._exit(3),
    "abort": os.abort,
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": _hang,
    "spin": _spin,
}
_ACTS = {**ERRORS, **NONSENSE, **ENDS}


def _columns(results: list[Tensor]) -> Iterator[Tensor]:
    yield from results


#: What it hands back as the results of a stage, or as a value that was transferred.
RESULTS: Mapping[str, Callable[[list[Tensor]], object]] = {
    "None": lambda results: None,
    "text": lambda results: "done",
    "too few": lambda results: results[1:],
    "too many": lambda results: [*results, *results],
    "a generator": _columns,
    "by name": lambda results: dict(enumerate(results)),
    "numbers": lambda results: [each.tolist() for each in results],
    "a scalar": lambda results: [each.reshape(-1)[0] for each in results],
    "a matrix": lambda results: [np.ma.masked_array(each) for each in results],
    "none inside": lambda results: [None for _ in results],
    "float64": lambda results: [each.astype(np.float64) for each in results],
    "int32": lambda results: [each.astype(np.int32) for each in results],
    "big-endian": lambda results: [each.astype(each.dtype.newbyteorder(">")) for each in results],
    "a row more": lambda results: [np.repeat(each, 2, axis=0) for each in results],
    "flat": lambda results: [each.reshape(-1) for each in results],
    "objects": lambda results: [each.astype(object) for each in results],
}


@dataclass(frozen=True, slots=True)
class Liar:
    """A `null` device that does `does` when `at` is asked of it, about `on` or any operator."""

    truth: NullBackend
    at: str
    does: str
    on: str
    least: int

    @property
    def device(self) -> Device:
        return self._said("device", self.truth.device)

    @property
    def memory(self) -> Memory:
        return self._said("memory", self.truth.memory)

    @property
    def links(self) -> tuple[LinkDriver, ...]:
        links = tuple(_Link(link, self) for link in self.truth.links if isinstance(link, NullLink))
        return self._said("links", links)

    @property
    def alone(self) -> tuple[str, ...]:
        return self._said("alone", ())

    @property
    def keeps_values(self) -> bool:
        return self._said("keeps_values", False)

    def supports(self, node: Node) -> Support:
        operators = [operator.op for operator in node.operators]
        return self._said("supports", self.truth.supports(node), operators)

    def estimate(self, node: Node) -> Estimate | None:
        operators = [operator.op for operator in node.operators]
        return self._said("estimate", self.truth.estimate(node), operators)

    def prepare(self, stage: StageProgram) -> Callable[[Sequence[Tensor]], Any]:
        operators = [node.op_type for node in stage.model.graph]
        run = self.truth.prepare(stage)

        def execute(inputs: Sequence[Tensor]) -> Any:
            results = list(run(inputs))
            if self.at == "run" and self._means(operators) and self.does in RESULTS:
                return RESULTS[self.does](results)
            return self._said("run", results, operators)

        return self._said("prepare", execute, operators)

    def said(self, at: str, truth: Truth) -> Truth:
        return self._said(at, truth)

    def _said(self, at: str, truth: Truth, operators: Sequence[str] = ()) -> Truth:
        lies = at == self.at and self._means(operators)
        return cast("Truth", _ACTS[self.does]()) if lies else truth

    def _means(self, operators: Sequence[str]) -> bool:
        if self.on and self.on not in operators:
            return False
        return len(operators) >= self.least


@dataclass(frozen=True, slots=True)
class _Link:
    truth: NullLink
    liar: Liar

    @property
    def source(self) -> str:
        return self.truth.source

    @property
    def target(self) -> str:
        return self.truth.target

    @property
    def basis(self) -> Any:
        return self.truth.basis

    def transfer(self, tensor: Tensor) -> Any:
        if self.target != "host":
            return tensor
        if self.liar.at == "transfer" and self.liar.does in {"a row more", "float64"}:
            return cast("list[Tensor]", RESULTS[self.liar.does]([tensor]))[0]
        return self.liar.said("transfer", tensor)

    def estimate(self, value: Value) -> Any:
        return self.liar.said("link", self.truth.estimate(value))


def create(name: str, options: Mapping[str, str]) -> Liar:
    """Options: `at`, `does`, `on` and `least`, and those of `null`."""
    given = {"basis": "measured", "memory": "host", **options}
    own = [given.pop(key, "") for key in ("at", "does", "on", "least")]
    at, does, on, least = own
    truth = null.create(name, given)
    liar = Liar(replace(truth, device=truth.device), at, does, on, int(least or 0))
    return liar.said("create", liar)


def canonical_spec(name: str, options: Mapping[str, str]) -> Mapping[str, str]:
    if options.get("at") == "canonical":
        return _ACTS[options["does"]]()  # type: ignore[return-value]
    return options


def install(folder: Path) -> None:
    """As a package in `folder`, which has to be on the path."""
    info = folder / "liar-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: liar\nVersion: 1.0\n")
    names = ("liar", *(f"liar{number}" for number in range(9)))
    entries = "\n".join(f"{name} = {__name__}:create" for name in names)
    (info / "entry_points.txt").write_text(f"[stagecut.backends]\n{entries}\n")
