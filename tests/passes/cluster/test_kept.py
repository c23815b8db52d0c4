"""Nodes become one where a device keeps what one hands to the other, and only there."""

from dataclasses import dataclass, field

from stagecut.backends.null import device as null
from stagecut.backends.null.device import NullBackend
from stagecut.compiler.ir.device import Backend, Estimate, Support
from stagecut.compiler.ir.graph import Node
from stagecut.passes.cluster.cluster import Cluster
from tests.support.graphs import drawn, graph

CPU = null.create("cpu", {"basis": "measured"})


@dataclass(frozen=True)
class Keeper:
    """A null device that takes 20 us for a product, and `saved_s` less for each that is in one node
    with the one before it, where they are no more than `most`."""

    saved_s: float = 5e-6
    most: int = 9
    keeps_values: bool = True
    null: NullBackend = field(default_factory=lambda: null.create("chip", {}))

    def __getattr__(self, name: str) -> object:
        return getattr(self.null, name)

    def supports(self, node: Node) -> Support:
        return Support("" if len(node.operators) <= self.most else "too many")

    def estimate(self, node: Node) -> Estimate:
        count = len(node.operators)
        return Estimate(20e-6 * count - self.saved_s * (count - 1))


TWO = "u = MatMul(x, V)\ny = MatMul(u, W)"
APART = "u = MatMul(x, V)\ny = MatMul(u, W)"
TOGETHER = "y = MatMul+MatMul(x, V, W)"


def clustered(text: str, outputs: str, sent: str = "", **devices: object) -> str:
    backends: dict[str, Backend] = {"cpu": CPU, **devices}  # type: ignore[dict-item]
    wire = frozenset(filter(None, [sent]))
    return drawn(Cluster(backends, wire=wire)(graph("x, z", text, outputs)))


def test_products_are_one_node_where_a_device_keeps_what_is_between_them() -> None:
    assert clustered(TWO, "y", chip=Keeper()) == TOGETHER


def test_a_device_that_keeps_nothing_is_not_asked() -> None:
    assert clustered(TWO, "y", chip=Keeper(keeps_values=False)) == APART
    assert clustered(TWO, "y") == APART


def test_rounding_is_no_gain() -> None:
    assert clustered(TWO, "y", chip=Keeper(saved_s=1e-15)) == APART
    assert clustered(TWO, "y", chip=Keeper(saved_s=0.0)) == APART


def test_what_others_read_is_handed_out() -> None:
    assert clustered(TWO, "u, y", chip=Keeper()) == "u, y = MatMul+MatMul(x, V, W)"
    read = f"{TWO}\nv = MatMul(u, z)"
    assert clustered(read, "y, v", chip=Keeper(most=2)) == (
        "u, y = MatMul+MatMul(x, V, W)\nv = MatMul(u, z)"
    )


def test_nodes_grow_as_long_as_the_device_gains_and_can_run_them() -> None:
    text = f"{TWO}\nv = MatMul(y, V)"
    assert clustered(text, "v", chip=Keeper()) == "v = MatMul+MatMul+MatMul(x, V, W)"
    shorter = "y = MatMul+MatMul(x, V, W)\nv = MatMul(y, V)"
    assert clustered(text, "v", chip=Keeper(most=2)) == shorter


def test_nothing_is_taken_from_another_device() -> None:
    other = null.create("other", {"operators": "MatMul"})
    text = "u = MatMul(x, V)\ny = Conv(u, W)"
    assert clustered(text, "y", chip=Keeper(), other=other) == text


def test_a_device_that_runs_each_but_not_the_whole_loses_neither() -> None:
    small = Keeper(most=1, keeps_values=False)
    assert clustered(TWO, "y", chip=Keeper(), small=small) == APART


def test_what_is_sent_to_other_hosts_stays_the_result_of_a_node() -> None:
    assert clustered(TWO, "y", sent="u", chip=Keeper()) == APART
