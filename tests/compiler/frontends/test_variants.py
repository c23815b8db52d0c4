"""One model at several shapes."""

import numpy as np
import pytest

from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.frontends.variants import programs_for
from stagecut.compiler.ir.errors import ShapeError
from stagecut.compiler.ir.program import Program
from tests.support.onnx_models import MODELS

SHORT, LONG = {"ids": (2, 5), "scale": (2, 3)}, {"ids": (2, 40), "scale": (2, 3)}


def _programs(*shapes: Shapes, **feeds: object) -> list[Program]:
    imported, _ = import_model(MODELS["symbolic dimensions"].proto())
    return [*programs_for(imported, shapes, feeds or None)]  # type: ignore[arg-type]


def _bound(program: Program) -> Shapes:
    return {name: array.shape for name, array in program.feeds.items()}


def test_a_program_for_each() -> None:
    assert [_bound(program) for program in _programs(SHORT, LONG)] == [SHORT, LONG]


def test_samples_are_used_where_they_fit() -> None:
    ids, scale = np.full((2, 40), 7), np.ones((2, 3), np.float32)
    short, long = _programs(SHORT, LONG, ids=ids, scale=scale)
    assert (long.feeds["ids"] == 7).all()
    assert not (short.feeds["ids"] == 7).all()


def test_the_same_shapes_twice() -> None:
    with pytest.raises(ShapeError, match="two variants have the same shapes") as error:
        _programs(SHORT, LONG, SHORT)
    assert error.value.where == "ids 2x5, scale 2x3"
