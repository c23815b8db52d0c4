"""What the zoo's table says of a model, and the settings that it allows. Imports no engine."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.text import suggestion

#: Which function of architectures.py builds the model.
Family: TypeAlias = Literal[
    "bert",
    "roberta",
    "gpt2",
    "gptj",
    "llama",
    "vit",
    "resnet",
    "mobilenet",
    "vgg",
    "mlp",
    "minilm",
    "whisper",
    "whisper-en",
]

Sizes: TypeAlias = Mapping[str, int | float | tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A whole number from `least` to `most` (None: without end) that shapes the sample inputs.

    One without a `default` makes another model of the entry, which has no parameter but this one.
    """

    default: int | None
    meaning: str
    most: int | None = None
    least: int = 1

    @property
    def range(self) -> str:
        return (
            f"of {self.least} or more" if self.most is None else f"from {self.least} to {self.most}"
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the zoo.

    `sizes` are keywords of the family's `transformers` configuration, or of our own module; what is
    not named keeps the configuration's own default, which is the published base model. `outputs`
    names what the module returns, in order. With `repeats`, the model has so many times the blocks
    that `sizes` names, which share their weights: it computes as much as a model that takes so much
    more memory.
    """

    name: str
    family: Family
    description: str
    outputs: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    sizes: Sizes
    repeats: int = 1

    def settings(self, given: Mapping[str, int]) -> dict[str, int]:
        """A number for every parameter; raises UsageError for an unknown one or a bad number."""
        where = f"zoo:{self.name}"
        for name, number in given.items():
            if name not in self.parameters:
                raise UsageError(
                    f"has no parameter {name!r}", where=where, fix=nearest(name, self.parameters)
                )
            known = self.parameters[name]
            if number < known.least or (known.most is not None and number > known.most):
                raise UsageError(
                    f"{name}={number} is out of range",
                    where=where,
                    fix=f"give a number {known.range}",
                )
            if known.default is None and len(given) > 1:
                others = [other for other in given if other != name]
                raise UsageError(
                    f"{name} goes with no other parameter",
                    where=where,
                    fix=f"leave {', '.join(others)} out, or {name}",
                )
            if known.default is None:
                return {name: number}
        return {
            name: given.get(name, known.default)
            for name, known in self.parameters.items()
            if known.default is not None
        }


def nearest(name: str, known: Collection[str]) -> str:
    """The nearest match, where there is one, then everything there is."""
    return suggestion(name, known, f"there are: {', '.join(known)}")
