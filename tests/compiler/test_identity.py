"""Where a plan comes from, and under which name what was measured of it is kept."""

from collections.abc import Callable

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
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
