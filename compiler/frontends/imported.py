"""What every frontend hands on: an ONNX model as its source wrote it, and sample inputs for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from stagecut.compiler.frontends.defaults import overridable
from stagecut.compiler.ir.device import Feeds


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that has been read but not yet brought into normal form.

    `feeds` holds concrete sample inputs by the name of the graph input, in the graph's order, and
    none where the source has none (an .onnx file). Shapes may be symbolic. `source` says where the
    model came from, as the user wrote it.

    `asked` are the inputs that the user gave samples or shapes for: of those that have a default,
    only these stay inputs. `misnamed` are names of dimensions that have several sizes in these
    samples. `left_out` are outputs that are no tensors, with their types.
    """

    name: str
    model: ir.Model
    feeds: Feeds
    source: str
    asked: frozenset[str] = frozenset()
    misnamed: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The inputs that have a default and are constants, as nobody asked for them."""
        return tuple(name for name in overridable(self.model) if name not in self.asked)
