"""What a plan says of itself is what was found out: ports, nodes, stages and what was observed."""

import pytest

from stagecut.backends.null.device import NullBackend
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.plan import PlannedVariant
from tests.support.assembled import SCHEDULE, assembled


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> PlannedVariant:
    """Loading a node's weights takes the null device a second."""
    monkeypatch.setattr(NullBackend, "estimate", lambda *_: Estimate(1e-6, load_s=1.0))
    return assembled()


def test_the_ports(planned: PlannedVariant) -> None:
    [x], [y] = planned.inputs, planned.outputs
    assert (x.name, x.value, x.inside, x.shape, x.dims) == (
        "the input",
        "x",
        "x",
        (2, 4),
        ("batch", 4),
    )
    assert x.low < x.high
    assert (y.name, y.shape, y.dims) == ("y", (2, 4), ("batch", 4))


def test_the_stages_with_what_was_observed(planned: PlannedVariant) -> None:
    assert planned.schedule == SCHEDULE
    assert [stage.file for stage in planned.stages] == [
        f"variant-1/stage-{at:03}.onnx" for at in range(3)
    ]
    assert [stage.observed_s for stage in planned.stages] == [1.0, 2.0, 3.0]
    assert [[port.name for port in stage.inputs] for stage in planned.stages] == [
        ["x"],
        ["r", "x"],
        ["s"],
    ]
    assert [stage.load_s for stage in planned.stages] == [0.0, 1.0, 0.0]


def test_the_nodes_with_why_they_run_there(planned: PlannedVariant) -> None:
    add = planned.nodes[2]
    assert (add.name, add.op, add.operators) == ("Add", "Add", ("Add Add",))
    assert set(add.run_s) == {"cpu.serial", "null"}
    assert add.totals == {"cpu.serial": 2.0}  # no plan has it on the other
    assert planned.nodes[0].totals == {}
    assert planned.nodes[0].weight_bytes == 64


def test_the_rest_is_handed_on(planned: PlannedVariant) -> None:
    assert planned.workarounds == ("it failed once",)
    assert (planned.name, planned.objective, planned.fallback) == ("residual", "latency", None)
    assert planned.shipped.chosen
    assert planned.machine.memory_named.keys() == {"host", "pim"}
