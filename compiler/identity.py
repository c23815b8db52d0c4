"""What every measurement of a program depends on: the name under which it is kept, and the plan's
word for where it comes from."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from stagecut import backends
from stagecut.compiler.answers import Answers
from stagecut.compiler.context import CompileContext
from stagecut.compiler.formats.weights import WeightFile, model_bytes
from stagecut.compiler.ir.contender import ContenderId
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.provenance import Provenance
from stagecut.compiler.measure.cache import digest
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.environment import cpu_model, instruction_sets, versions
from stagecut.compiler.right import OtherProgram


@dataclass(frozen=True)
class Identity:
    """Of the program that these are the answers of, and its weights."""

    answers: Answers
    weights: WeightFile

    @cached_property
    def model_sha256(self) -> str:
        return digest(model_bytes(self.answers.whole.model), self.weights.sha256)

    def key(self, *parts: bytes | str) -> str:
        """Of something that depends on these parts, too."""
        return digest(self._all, *parts)

    @cached_property
    def _all(self) -> str:
        return self.of(self.answers.context.specs)

    def of(self, specs: Mapping[str, str]) -> str:
        """Model, inputs, machine, software, and the devices of these specs."""
        program = self.answers.program
        cpus = f"{usable_cpus()} of {sorted(os.sched_getaffinity(0))}"  # they need not be alike
        sets = repr(instruction_sets())  # which a CPU's name does not tell
        machine = (cpu_model(), sets, cpus, repr(versions()), repr(specs))
        inputs = (part for feeds in (program.feeds, *program.samples) for part in _content(feeds))
        return digest(self.model_sha256, *self._right, *machine, *inputs)

    @property
    def _right(self) -> tuple[str, ...]:
        """What the program is held against, where that is not itself."""
        answers = self.answers
        if isinstance(answers.right, OtherProgram):
            return (answers.right.sha256,)
        if answers.original is None:
            return ()
        return (answers.original.at(answers.program.feeds, answers.outputs).sha256,)

    def provenance(self, options: Mapping[str, str], chosen: ContenderId) -> Provenance:
        """`chosen` is the contender that ships, in the configuration that it names."""
        return Provenance(
            stagecut=versions()["stagecut"],
            model=self.answers.program.name,
            model_sha256=self.model_sha256,
            cpu=cpu_model(),
            threads=usable_cpus(),
            versions=versions(),
            devices=specs_of(self.answers.context, chosen),
            options=options,
        )


def _content(feeds: Feeds) -> Iterator[bytes | str]:
    """All numbers and texts, and what they are."""
    for name, array in feeds.items():
        yield from (name, str(array.dtype), str(array.shape))
        yield repr(array.tolist()) if array.dtype.hasobject else array.tobytes()


def specs_of(context: CompileContext, chosen: ContenderId) -> Mapping[str, str]:
    """The devices' specs as a contender has them."""
    specs = context.specs
    if not chosen.configuration:
        return specs
    spec = backends.configured(specs[chosen.device], chosen.configuration)
    return {**specs, chosen.device: spec}
