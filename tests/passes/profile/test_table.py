"""What models say stands in the table beside what was measured, each with its own basis."""

from dataclasses import dataclass, field, replace

from stagecut.compiler.ir.costs import Cost, Spread
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import Device, Route
from stagecut.passes.profile.estimates import Estimates
from stagecut.passes.profile.table import table_of
from tests.support.expanded import expanded
from tests.support.tables import cost_table

SHAPE = cost_table("a(x): cpu 1, pim 1\nb(a): cpu 1", inputs="x@host", outputs="b@host")
THERE, BACK = Route("host", "pim"), Route("pim", "host")
SPREAD = Spread(3, 2.0, 2.5, 3.5)


@dataclass
class Watched:
    """Measured costs; notes what it is asked."""

    asked: list[str] = field(default_factory=list)

    def start_s(self, device: Device) -> float:
        self.asked.append(f"start {device.name}")
        return 0.5

    def run(self, node: Node, device: str) -> Cost:
        self.asked.append(f"{node.name} on {device}")
        return Cost(3.0, 6.0, spread=SPREAD)

    def transfer(self, value: Value, route: Route) -> Cost | None:
        self.asked.append(f"{value.name} {route}")
        return Cost(4.0, spread=SPREAD) if value.name == "x" else None


def test_models_are_believed_and_the_rest_is_measured() -> None:
    graph = expanded(SHAPE)
    devices = tuple(
        replace(each, basis="modelled" if each.name == "pim" else "measured", stage_s=7.0)
        for each in graph.machine.devices
    )
    graph = replace(graph, machine=replace(graph.machine, devices=devices))
    estimates = Estimates(
        {("a", "cpu"): None, ("a", "pim"): Estimate(1.0, None, 64), ("b", "cpu"): None},
        {(route, name): None for route in (THERE, BACK) for name in ("x", "a")}
        | {(THERE, "b"): Estimate(0.25, 0.5), (BACK, "b"): Estimate(0.125)},
    )
    measured = Watched()
    table = table_of(graph, estimates, measured)
    a, b = table.nodes
    assert (a.run_s, a.run_j, a.run_spread) == (
        {"cpu": 3.0, "pim": 1.0},
        {"cpu": 6.0},
        {"cpu": SPREAD},
    )
    assert (a.resident_bytes, b.resident_bytes) == ({"pim": 64}, {})
    assert table.value("x").transfer_s == {THERE: 4.0, BACK: 4.0}
    assert table.value("x").transfer_spread == {THERE: SPREAD, BACK: SPREAD}
    assert table.value("a").transfer_s == {}  # nobody needed it
    assert table.value("b").transfer_s == {THERE: 0.25, BACK: 0.125}
    assert table.value("b").transfer_j == {THERE: 0.5}
    starts = {device.name: device.stage_s for device in table.machine.devices}
    assert (starts["cpu"], starts["pim"]) == (0.5, 7.0)
    assert not {"a on pim", "start pim"} & {*measured.asked}
    assert not any(asked.startswith("b host") for asked in measured.asked)
