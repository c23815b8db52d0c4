"""The tensors of a stage as two processes see them."""

import os
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Value
from stagecut.runtime.processes.shared import SharedTensors
from tests.support.hosted import staged


def test_both_see_the_same_bytes() -> None:
    [program] = staged().programs
    ours = SharedTensors(program)
    theirs = SharedTensors(program, os.dup(ours.descriptor))
    assert [array.shape for array in ours.inputs] == [(2, 24)]
    assert [array.shape for array in ours.outputs] == [(2, 24)] * 2
    ours.inputs[0][:] = 7
    theirs.outputs[1][:] = 3
    assert (theirs.inputs[0] == 7).all()
    assert (ours.outputs[1] == 3).all()
    assert not ours.outputs[0].any()
    addresses = [array.ctypes.data for array in (*ours.inputs, *ours.outputs)]
    assert all(address % 64 == 0 for address in addresses)
    assert addresses == sorted(addresses)


def test_it_goes_with_its_last_process() -> None:
    [program] = staged().programs
    ours = SharedTensors(program)
    descriptor = ours.descriptor
    del ours
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def _program(dtype: ir.DataType, *shape: int | str) -> StageProgram:
    value = ir.Value(name="x", type=ir.TensorType(dtype), shape=ir.Shape(shape))
    model = ir.Model(ir.Graph([value], [value], nodes=[], name="g"), ir_version=10)
    name = "string" if dtype == ir.DataType.STRING else dtype.numpy().name
    sizes = tuple(size if isinstance(size, int) else 3 for size in shape)
    port = Value("x", name, sizes)
    return StageProgram("p", model, (port,), (port,))


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (2, 5)])
def test_sizes_of_every_kind(shape: tuple[int, ...]) -> None:
    tensors = SharedTensors(_program(ir.DataType.INT64, *shape))
    assert tensors.inputs[0].shape == shape
    assert tensors.inputs[0].dtype == np.int64


UNFIT = {
    "an open size": _program(ir.DataType.FLOAT, "n", 3),
    "strings": _program(ir.DataType.STRING, 3),
    "numbers that numpy does not know": _program(ir.DataType.BFLOAT16, 3),
}


@pytest.mark.parametrize("program", UNFIT.values(), ids=UNFIT.keys())
def test_what_cannot_be_shared(program: StageProgram) -> None:
    with pytest.raises(EngineError, match="x has no fixed size, or no plain numbers") as error:
        SharedTensors(replace(program))
    assert error.value.fix == "run the stage in threads"
