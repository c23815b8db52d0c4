"""Every node on the first device of a list that can run it."""

import pytest

from stagecut.compiler.ir.errors import DeviceError, StagecutError, UnplaceableError
from stagecut.passes.partition.baselines.priority import Priority
from tests.support.tables import cost_table, placed

TABLE = cost_table(
    "a: cpu 3, pim 5\n b(a): cpu 4, pim 1\n c(b): cpu 2, gang 1\n d(a): cpu 3, pim 2"
)

CHOICES = {
    "the first that can": (("pim", "gang", "cpu"), "pim: a, b, d; gang: c"),
    "the order of the table without a list": ((), "cpu: a, b, c, d"),
}


@pytest.mark.parametrize(("devices", "assignment"), CHOICES.values(), ids=CHOICES.keys())
def test_choice(devices: tuple[str, ...], assignment: str) -> None:
    assert Priority(devices)(TABLE).assignment.devices == placed(assignment).devices


REFUSALS: dict[str, tuple[tuple[str, ...], type[StagecutError], str]] = {
    "a list that cannot run all": (("pim",), UnplaceableError, "none of pim can run it"),
    "a list with an unknown device": (("cpu", "gpu"), DeviceError, "no device 'gpu'"),
}


@pytest.mark.parametrize(("devices", "error", "problem"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal(devices: tuple[str, ...], error: type[StagecutError], problem: str) -> None:
    with pytest.raises(error, match=problem) as raised:
        Priority(devices)(TABLE)
    assert raised.value.fix
