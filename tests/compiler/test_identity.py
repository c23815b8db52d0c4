"""Where a plan comes from, and under which name what was measured of it is kept."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.measurements import Measurements
from tests.compiler.conftest import SPECS


def test_where_a_plan_comes_from(measure: Callable[..., Measurements]) -> None:
    measured = measure()
    optimum = ContenderId(ContenderKind.OPTIMUM)
    found = measured.identity.provenance({"granularity": "op"}, optimum)
    assert found.model == "residual"
    assert found.devices == dict(zip(("cpu.serial", "null"), SPECS, strict=True))
    assert found.model_sha256 == measure().identity.model_sha256
    assert found.model_sha256 != measure(model="chain").identity.model_sha256
    assert found.options == {"granularity": "op"}


def test_what_is_measured_depends_on_what_is_right(measure: Callable[..., Measurements]) -> None:
    """The same program may be made from one program or another, or be the model itself."""
    itself, other = measure(), measure(model="chain")
    rights = (None, itself.as_right, other.as_right)
    made = [replace(itself, right=right).identity for right in rights]
    assert len({each.key("part") for each in made}) == len(made)
    assert len({each.model_sha256 for each in made}) == 1


def test_what_is_measured_depends_on_every_sample_and_on_nothing_else_of_it(
    measure: Callable[..., Measurements],
) -> None:
    """Equal texts are other objects each time."""

    def key(*samples: Feeds) -> str:
        measured = measure()
        program = replace(measured.answers.program, samples=samples)
        answers = replace(measured.answers, program=program)
        return replace(measured.identity, answers=answers).key("part")

    def texts(last: str) -> Feeds:
        return {"x": np.array(["one".upper(), last.upper()], object)}

    assert key(texts("two")) == key(texts("two"))
    made = [(), (texts("two"),), (texts("three"),), (texts("two"), texts("two"))]
    shapes = [({"x": np.zeros(shape, np.float32)},) for shape in ((2, 3), (3, 2))]
    assert len({key(*each) for each in (*made, *shapes)}) == len(made) + len(shapes)
