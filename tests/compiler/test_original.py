"""A model that comes quantised is held against the one that it was made from."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from stagecut.compiler import compile_model
from stagecut.compiler.answers import Answers
from stagecut.compiler.context import Settings
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import ModelError, StagecutError, ToleranceError, UsageError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.onnx_runtime import quantization
from stagecut.compiler.original import Original
from tests.support.decoders import tiny_decoder
from tests.support.products import products

F32, INT4 = "cpu.serial", "cpu.int4.serial"


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """The products, by ONNX Runtime's own quantiser."""
    folder = tmp_path_factory.mktemp("quantised")
    onnx.save(products(), folder / "full.onnx")
    quantize = quantization().quantize_dynamic
    quantize(  # of 7 bits: with 8, sums of 16 bits saturate on CPUs without VNNI
        folder / "full.onnx", folder / "q.onnx", op_types_to_quantize=["MatMul"], reduce_range=True
    )
    return onnx.load(folder / "q.onnx")


def _planned(model: object, *devices: str, **options: object) -> PlannedVariant:
    settings = Settings(effort="quick", load=lambda: None, warn=lambda _: None)
    asked = {"reference": products(), **options}
    plan = compile_model(model, devices=devices or (F32,), settings=settings, **asked)  # type: ignore[arg-type]
    return plan.first.planned


def test_its_own_error_is_in_the_plan_and_in_the_error_of_every_plan(
    quantised: onnx.ModelProto,
) -> None:
    planned = _planned(quantised)
    precision = planned.precision
    assert precision is not None
    assert 0.005 < precision.own < 0.05
    shipped = precision.of(planned.shipped.name)
    assert shipped is not None
    assert shipped.predicted == shipped.measured == pytest.approx(precision.own)
    assert planned.accuracy[0].max_abs > 0  # against the original, not against itself
    assert precision.reference == "onnx.ModelProto"


def test_squared_errors_of_nodes_add_up_to_its_own() -> None:
    exact = _planned(products(), F32, INT4, tolerance=0.9).precision
    assert exact is not None
    assert exact.own == 0
    rough = _planned(_shaken(products()), F32, INT4, tolerance=0.9).precision
    assert rough is not None
    assert rough.own > 0.1
    both, alone = rough.of(INT4), exact.of(INT4)
    assert both is not None
    assert alone is not None
    assert both.measured is not None
    assert both.predicted**2 == pytest.approx(rough.own**2 + alone.predicted**2, rel=0.3)
    assert both.predicted == pytest.approx(both.measured, rel=0.3)


def test_the_original_is_prepared_once_and_runs_once_on_each_sample(
    quantised: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Feeds] = []
    asked: list[bytes] = []
    of_original = Answers.of_original

    def counted(answers: Answers, like: Feeds) -> Callable[[Feeds], Mapping[str, Tensor]]:
        run = of_original(answers, like)
        prepared.append(like)

        def answer(feeds: Feeds) -> Mapping[str, Tensor]:
            asked.append(b"".join(each.tobytes() for each in feeds.values()))
            return run(feeds)

        return answer

    monkeypatch.setattr(Answers, "of_original", counted)
    planned = _planned(quantised)
    assert planned.precision is not None
    assert planned.precision.held_out > 1
    assert len(prepared) == 1
    assert len(asked) == len(set(asked))


def _shaken(model: onnx.ModelProto) -> onnx.ModelProto:
    """With other weights by a fifth."""
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        exact = numpy_helper.to_array(tensor)
        noise = 0.2 * exact.std() * rng.standard_normal(exact.shape)
        tensor.CopyFrom(numpy_helper.from_array((exact + noise).astype(np.float32), tensor.name))
    return model


def test_a_model_that_is_further_off_than_allowed_is_refused(quantised: onnx.ModelProto) -> None:
    with pytest.raises(ToleranceError, match=r"the model itself is off by 0\.0"):
        _planned(quantised, tolerance=1e-3)


MISFITS = {
    "other inputs": (products(2, rows=3), "reference onnx.ModelProto"),
    "other outputs": (products(2), "its outputs are t1, not t2"),
}


@pytest.mark.parametrize(("original", "problem"), MISFITS.values(), ids=MISFITS.keys())
def test_an_original_of_another_model(original: onnx.ModelProto, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        _planned(products(), reference=original)


def test_a_decoder_has_none() -> None:
    with pytest.raises(UsageError, match="not for a decoder"):
        _planned(tiny_decoder())


def test_what_cannot_be_handed_to_another_process() -> None:
    with pytest.raises(StagecutError, match="cannot be handed to another process"):
        _planned(products(), isolated=True)


def test_each_shape_is_made_once_and_weights_tell_models_apart(tmp_path: Path) -> None:
    imported, _ = import_model(products())
    original = Original(imported, tmp_path)
    feeds = {"x": np.ones((4, 32), np.float32)}
    whole = original.at(feeds, ["t2"])
    assert original.at(feeds, ["t2"]) is whole
    assert [value.name for value in whole.program.outputs] == ["t2"]
    others = Original(import_model(products(seed=1))[0], tmp_path / "others")
    assert others.at(feeds, ["t2"]).sha256 != whole.sha256
