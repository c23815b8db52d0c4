"""The pace of a device is found by small programs."""

from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.pace import pace_of, weight_bytes
from tests.support.nodes import sample
from tests.support.slow import PACE, Slow


def test_the_pace_of_a_device_is_found() -> None:
    found = pace_of(slow := Slow(), slow.clock)
    single = replace(PACE, stage_s=PACE.stage_s + PACE.operator_s)  # a stage has an operator
    assert found.load_s == pytest.approx(single.load_s)
    assert found.stage_s == pytest.approx(single.stage_s)
    assert found.operator_s == pytest.approx(single.operator_s)
    assert found.byte_s == pytest.approx(single.byte_s)
    assert found.start_s == pytest.approx(single.start_s)
    assert found.flop_s == pytest.approx(single.flop_s)


def test_a_weight_that_two_nodes_read_is_one() -> None:
    text = "(float[4, 16] x) => (float[4, 8] y) { y = MatMul(x, w) }"
    node = sample(text, w=np.zeros((16, 8), np.float32)).node
    other = sample(text.replace("w)", "v)"), v=np.zeros((16, 8), np.float32)).node
    assert weight_bytes([node]) == weight_bytes([node, node]) == 512
    assert weight_bytes([node, other]) == 1024
