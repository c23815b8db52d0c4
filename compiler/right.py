"""What counts as right, where that is not what the program itself answers on the reference engine.

None            the program itself
Original        the model in full precision that the whole model was made from (original.py)
OtherProgram    the program that this one was made from
"""

from dataclasses import dataclass
from typing import TypeAlias

from stagecut.compiler.original import Original
from stagecut.passes.gate.reference import Reference


@dataclass(frozen=True, slots=True)
class OtherProgram:
    """With the same inputs and outputs: `reference` knows what it answers, `sha256` is of it and
    its weights."""

    reference: Reference
    sha256: str


Right: TypeAlias = Original | OtherProgram
