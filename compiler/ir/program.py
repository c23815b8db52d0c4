"""The program being compiled: an ONNX model in normal form, and sample inputs for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.metric import Metric


@dataclass(frozen=True, slots=True)
class Program:
    """One flat ONNX graph: no local functions, every shape bound, constants as initializers.

    Every node, value and initializer has a unique name; no graph output is also a graph input,
    an initializer or another output. Control flow stays, with its bodies. `feeds` holds one
    sample input for each graph input, by name. `source` says where the model came from.

    Shapes that depend on data cannot be bound: in the model they stay open, and `measured` holds
    what they were, by value, when the model ran on `feeds`. An input that the model also hands back
    has another name here, as the output keeps its own; `called` maps that to the model's name for
    it. `defaults` are of those inputs that need not be given, by the model's names for them.
    `carried` are the model's own types of those inputs and outputs that come in another one here,
    by their names here. `made_up` are the inputs whose samples nobody gave. `samples` are further
    ones that somebody did, for what lower precision does to outputs, and `metric` says in the
    user's own terms how good these are. `states` are the inputs, by their names here, that a
    sequence keeps from one run to the next, with their rows first.
    """

    name: str
    model: ir.Model
    feeds: Feeds
    source: str
    measured: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    called: Mapping[str, str] = field(default_factory=dict)
    defaults: Feeds = field(default_factory=dict)
    carried: Mapping[str, str] = field(default_factory=dict)
    made_up: tuple[str, ...] = ()
    samples: tuple[Feeds, ...] = ()
    states: tuple[str, ...] = ()
    metric: Metric | None = None
