"""Of two measurements of the same thing, the first counts."""

from dataclasses import replace

from stagecut.compiler.ir.costs import NodeCosts
from stagecut.compiler.ir.graph import Graph, Node, Operator, Value
from stagecut.compiler.known_costs import KnownCosts
from tests.support.host_tables import chain, machine


def _graph(*nodes: tuple[str, tuple[str, ...]]) -> Graph:
    """Nodes of operators, one after the other."""
    values = [Value(f"v{at}", "float32", (1,)) for at in range(len(nodes) + 1)]
    return Graph(
        "g",
        tuple(
            Node(
                name,
                "Op",
                tuple(Operator(each, "Op", "", (), (values[at + 1],)) for each in operators),
                (values[at],),
                (values[at + 1],),
                (),
                0,
            )
            for at, (name, operators) in enumerate(nodes)
        ),
        (values[0],),
        (values[-1],),
    )


def test_what_is_known_is_taken_of_the_same_nodes_and_of_copies_of_them() -> None:
    known = KnownCosts.of(_graph(("a", ("p", "q")), ("b", ("r",))), chain(machine(1), 1.0, 2.0))
    others = _graph(("a", ("p", "q")), ("b", ("p/again.0", "q/again.0")), ("c", ("r", "s")))
    measured = chain(machine(1), 1.1, 1.2, 2.2)
    [device] = measured.machine.devices
    measured = replace(
        measured, machine=replace(measured.machine, devices=(replace(device, stage_s=5.0),))
    )
    found = known(others, measured)
    assert [node.run_s["cpu"] for node in found.nodes] == [1.0, 1.0, 2.2]
    assert found.machine.devices[0].stage_s == 0.0


def test_on_a_device_of_which_nothing_is_known_it_is_what_was_measured() -> None:
    known = KnownCosts({("p",): NodeCosts("a", "Op", {"cpu": 1.0})}, {})
    found = known(_graph(("a", ("p",))), chain(machine(2), 3.0))
    assert found.nodes[0].run_s == {"cpu": 1.0, "b.cpu": 3.0}
