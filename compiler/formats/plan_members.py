"""What the members of a plan file are called.

plan.json, weights.bin      of the plan
model.onnx, costs.json      of the entry `main`, and of its first variant
variant-1-costs.json        of its second variant
decode-model.onnx           of the entry `decode`
"""

from dataclasses import dataclass, field

import onnx_ir as ir

from stagecut.compiler.ir.plan import MAIN

DOCUMENT_FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class Members:
    """What becomes members of a plan, by their names, until it is written. The large weights of
    `models` lie wherever they were while the plan was made."""

    files: dict[str, bytes] = field(default_factory=dict)
    models: dict[str, ir.Model] = field(default_factory=dict)

    def update(self, others: "Members") -> None:
        self.files.update(others.files)
        self.models.update(others.models)


def model_file(entry: str = MAIN) -> str:
    """The member with the whole model of an entry with its open dimensions, from which stages are
    extracted for other shapes."""
    return f"{file_prefix(0, entry)}model.onnx"


def defaults_file(entry: str = MAIN) -> str:
    """The member with the defaults of inputs that need not be given, as the weights of a model
    without operators."""
    return f"{file_prefix(0, entry)}defaults.onnx"


def costs_file(variant: int, entry: str = MAIN) -> str:
    """The member with the cost table of a variant, by its index."""
    return f"{file_prefix(variant, entry)}costs.json"


def stream_file(variant: int, entry: str = MAIN) -> str:
    """The member with the fastest stream of a variant by its costs, and the proof of it."""
    return f"{file_prefix(variant, entry)}stream.json"


def file_prefix(variant: int, entry: str = MAIN) -> str:
    """What the names of a variant's own members begin with."""
    named = "" if entry == MAIN else f"{entry}-"
    return f"{named}variant-{variant}-" if variant else named
