"""What every frontend hands on: an ONNX model as its source wrote it, and sample inputs for it."""

from dataclasses import dataclass

import onnx_ir as ir

from stagecut.compiler.ir.device import Feeds


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that has been read but not yet brought into normal form.

    `feeds` holds concrete sample inputs by the name of the graph input, in the graph's order, and
    none where the source has none (an .onnx file). Shapes may be symbolic; `misnamed` are names of
    dimensions that have several sizes in the inputs that the user gave. `source` says where the
    model came from, as the user wrote it.
    """

    name: str
    model: ir.Model
    feeds: Feeds
    source: str
    misnamed: frozenset[str] = frozenset()
