"""What every frontend hands on: an ONNX model as its source wrote it, and sample inputs for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import onnx_ir as ir

from stagecut.compiler.frontends.defaults import overridable
from stagecut.compiler.ir.device import Feeds

#: So many names are listed in a sentence.
_LISTED = 4


@dataclass(frozen=True, slots=True)
class Change:
    """A tensor that a program changes in place: one that it is given, or one that it holds.

    The ONNX model changes nothing: it returns what `name` holds afterwards, as `output`.
    """

    kind: Literal["input", "buffer"]
    name: str
    output: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that has been read but not yet brought into normal form.

    `feeds` holds concrete sample inputs by the name of the graph input, in the graph's order, and
    none where the source has none (an .onnx file). Shapes may be symbolic. `source` says where the
    model came from, as the user wrote it.

    `asked` are the inputs that the user gave samples or shapes for: of those that have a default,
    only these stay inputs. `misnamed` are names of dimensions that have several sizes in these
    samples. `left_out` are outputs that are no tensors, with their types. `changes` are what the
    source changes in place, in the order of the outputs that stand for them, which are the model's
    last ones. `unchecked` says why `model` could not be compared with its source, where it should
    have been. `encoder` is what runs once before `model`, an encoder-decoder's decoder; `uncached`
    is that decoder without a cache, where it says what the decoder keeps of the encoder's outputs.
    """

    name: str
    model: ir.Model
    feeds: Feeds
    source: str
    asked: frozenset[str] = frozenset()
    misnamed: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    unchecked: str = ""
    encoder: "Imported | None" = None
    uncached: ir.Model | None = None

    @property
    def fixed(self) -> tuple[str, ...]:
        """The inputs that have a default and are constants, as nobody asked for them."""
        return tuple(name for name in overridable(self.model) if name not in self.asked)

    def warnings(self) -> Iterator[str]:
        """What somebody who makes a plan of it has to know."""
        if self.encoder is not None:
            yield from self.encoder.warnings()
        inputs = [change for change in self.changes if change.kind == "input"]
        buffers = [change for change in self.changes if change.kind == "buffer"]
        if inputs:
            yield (
                f"{self.source} changes what it is given ({_names(inputs)}): a plan leaves its "
                f"inputs as they are, and returns what they would hold as {_outputs(inputs)}"
            )
        if buffers:
            yield (
                f"{self.source} changes what it holds ({_names(buffers)}): every run of a plan "
                "starts from what it holds now, and returns what it would hold as "
                f"{_outputs(buffers)}"
            )
        if self.unchecked:
            yield f"{self.source}: its ONNX form could not be checked: {self.unchecked}"


def _names(changes: Sequence[Change]) -> str:
    return _listed([change.name for change in changes])


def _outputs(changes: Sequence[Change]) -> str:
    return _listed([change.output for change in changes])


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join([*names[:_LISTED], *([f"and {more} more"] if more > 0 else [])])
