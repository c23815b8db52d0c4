"""What a device quantised once it quantises no more, as far as there is room."""

import gc

import numpy as np
import pytest

from stagecut import backends
from stagecut.backends.quantised import products
from stagecut.backends.quantised.held import Held
from stagecut.compiler.formats.quantised_tensor import Form
from tests.support.nodes import sample
from tests.support.quantised import quantised_matrix


@pytest.mark.parametrize("device", ["cpu.int8.serial", "cpu.int8-dynamic.serial", "openvino.int8"])
@pytest.mark.parametrize("first", ["prepare", "stored"])
def test_a_stage_that_is_prepared_again_quantises_nothing(
    device: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device.startswith("openvino"):
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    weight = np.random.default_rng(7).standard_normal((64, 48)).astype(np.float32)
    case = sample("(float[3, 64] x) => (float[3, 48] y) { y = MatMul(x, w) }", w=weight)
    engine = backends.create(device)
    if first == "prepare":
        engine.prepare(case.stage)
    else:
        backends.stored(engine, case.stage)
    gc.collect()
    monkeypatch.setattr(products, "_written", None)
    engine.prepare(case.stage)


def test_each_is_counted_once_and_the_first_that_fit_stay() -> None:
    small, large = (quantised_matrix(Form(32, outer, 8, 32)) for outer in (8, 64))
    held = Held(small.form.size_bytes + large.form.size_bytes - 1)
    held.keep([small, small])
    held.keep([large])
    assert [*held._matrices.values()] == [small]
