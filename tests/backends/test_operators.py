"""Every device answers as ONNX has it: a small sample of what `benchmarks.operators` asks.

All of it takes an hour; docs/operators.md has the counts.
"""

import pytest

from stagecut import backends
from tests.support.operators.forms import FORMS, cases_of
from tests.support.operators.verdict import verdicts

DEVICES = ("cpu.serial", "openvino.f32.serial")
#: Every so many operators, with one case each.
APART = 4


@pytest.mark.parametrize("op", sorted(FORMS)[::APART])
@pytest.mark.parametrize("device", DEVICES)
def test_a_device_answers_rightly_or_refuses(device: str, op: str) -> None:
    if device not in backends.real_devices():
        pytest.skip("this machine does not have it")
    case = cases_of(op)[len(cases_of(op)) // 2]
    for verdict in verdicts(case, backends.create(device)):
        assert verdict.outcome not in {"wrong", "error"}, f"{case}: {verdict}"
