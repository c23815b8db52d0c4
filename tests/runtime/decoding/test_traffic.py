"""What a step reads: weights once, looked-up rows not, and the rows of its sequence."""

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.state import Decoding, State
from stagecut.runtime.decoding.session import DecoderSession
from stagecut.runtime.decoding.traffic import step_bytes, weight_bytes
from tests.support.decoders import decoder_plan, tiny_decoder
from tests.support.quantised import quantised_tensor

_MODEL = """
<ir_version: 10, opset_import: ["": 21]>
m (int64[1,1] ids, float[1,4] x) => (float[1,1,4] row, float[1,4] y)
<float[9,4] table = {0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0},
 float[4] bias = {1,2,3,4}, float[2] idle = {1,2}>
{ row = Gather(table, ids)  y = Add(x, bias) }
"""


def test_rows_that_are_looked_up_and_what_nobody_reads_do_not_count() -> None:
    program = StageProgram("main", ir.from_onnx_text(_MODEL), (), ())
    twice = StageProgram("other", ir.from_onnx_text(_MODEL), (), ())
    assert weight_bytes(StagedSchedule(Schedule((), ()), (program,), ())) == 16
    assert weight_bytes(StagedSchedule(Schedule((), ()), (program, twice), ())) == 32


def test_weights_in_few_bits_count_as_they_are_stored() -> None:
    text = _MODEL.replace("y = Add(x, bias)", "z = Add(x, bias)  y = MatMul(z, w)")
    text = text.replace("float[2] idle = {1,2}", "float[4,4] w = {1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}")
    model = ir.from_onnx_text(text)
    tensor = quantised_tensor("w", inner=4, outer=4)
    model.graph.initializers["w"].const_value = tensor
    program = StageProgram("main", model, (), ())
    few_bytes = 4 * (32 // 2) + 4 * 4  # one block of 32, filled up, and its scale for each column
    assert weight_bytes(StagedSchedule(Schedule((), ()), (program,), ())) == 16 + few_bytes


def test_weights_of_a_plan_once_however_it_is_cut() -> None:
    """In one stage and in many, the numbers of four 8x8 matrices and the head at the least."""
    whole = DecoderSession(decoder_plan(tiny_decoder())).weight_bytes
    products = (4 * 8 * 8 + 8 * 23) * np.dtype(np.float32).itemsize
    assert products <= whole < products + 256


def test_a_step_reads_the_rows_that_there_are() -> None:
    decoding = Decoding((State("past", "present", "float32", (1, 2, 4), 2),), 90, "logits")
    assert step_bytes(1000, 0, decoding, 2.5) == 1000 + 2.5 * 32
    assert step_bytes(1000, 7, decoding, 2.5) == 1000 + 7 + 2.5 * 32
