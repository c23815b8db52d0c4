"""The tensors of a stage in memory that two processes share.

    | x: 1x8 float32    | mask: 1x8 int64   | y: 1x3 float32 |      each at a multiple of 64 bytes
    | inputs                                | outputs        |

Both processes know the sizes from the stage's program, so that nothing is said of them on the way.
"""

import math
import mmap
import os
import weakref
from collections.abc import Sequence

import numpy as np

from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Value
from stagecut.runtime.form import Form, form_of

#: Enough for any vector register.
_ALIGNMENT_BYTES = 64


class SharedTensors:
    """The inputs and outputs of `program` in a block of memory.

    Without a `descriptor` the block is new; with one, which belongs to this object then, it is that
    of another process. It goes with the last process that has it, and has no name that could stay
    behind. Raises EngineError where a tensor has no fixed size.
    """

    def __init__(self, program: StageProgram, descriptor: int | None = None) -> None:
        inputs, outputs = forms_of(program)
        sizes = [_padded(_bytes(form)) for form in (*inputs, *outputs)]
        self.descriptor = os.memfd_create("stagecut") if descriptor is None else descriptor
        weakref.finalize(self, os.close, self.descriptor)
        total = max(1, sum(sizes))
        if descriptor is None:
            os.ftruncate(self.descriptor, total)
        self._block = mmap.mmap(self.descriptor, total)
        arrays: list[Tensor] = []
        at = 0
        for form, size in zip((*inputs, *outputs), sizes, strict=True):
            arrays.append(np.ndarray(form.shape or (), form.dtype, self._block, at))
            at += size
        self.inputs: Sequence[Tensor] = arrays[: len(inputs)]
        self.outputs: Sequence[Tensor] = arrays[len(inputs) :]


def forms_of(program: StageProgram) -> tuple[list[Form], list[Form]]:
    """Those of the inputs and of the outputs; raises EngineError where one is not the same in every
    run, or nothing that numpy itself knows."""
    graph = program.model.graph
    named = {value.name: value for value in (*graph.inputs, *graph.outputs)}
    return (
        [_fixed(form_of(named[value.name]), value, program) for value in program.inputs],
        [_fixed(form_of(named[value.name]), value, program) for value in program.outputs],
    )


def _fixed(form: Form, value: Value, program: StageProgram) -> Form:
    if form.dtype is None or form.shape is None or not value.portable:
        raise EngineError(
            f"{value.name} has no fixed size, or no plain numbers, and cannot be shared",
            where=f"stage {program.name} in a process of its own",
            fix="run the stage in threads",
        )
    return form


def _bytes(form: Form) -> int:
    itemsize = 0 if form.dtype is None else form.dtype.itemsize
    return itemsize * math.prod(form.shape or ())


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
