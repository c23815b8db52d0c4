"""Regions become nodes where a device runs them as one kernel for less, and only there."""

from dataclasses import dataclass, field

import pytest

from stagecut.backends.null import device as null
from stagecut.backends.null.device import NullBackend
from stagecut.compiler.ir.device import Backend, Estimate, Support
from stagecut.compiler.ir.graph import Node
from stagecut.passes.cluster.cluster import Cluster
from tests.support.graphs import drawn, graph

CPU = null.create("cpu", {"basis": "measured"})
ATTENTION = "s = MatMul(q, k)\np = Softmax(s)\no = MatMul(p, v)"
FUSED = "o = MatMul+Softmax+MatMul(q, k, v)"
APART = "p = MatMul+Softmax(q, k)\no = MatMul(p, v)"
WHOLE = "MatMul+Softmax+MatMul"


@dataclass(frozen=True)
class Chip:
    """A null device that takes 10 us for an attention, 30 us with a projection, and `part_s` for
    any other operator; it runs those in `alone` by themselves."""

    part_s: float = 20e-6
    alone: frozenset[str] = frozenset({"MatMul", "Softmax", "Add", "Transpose"})
    runs_whole: bool = True
    null: NullBackend = field(default_factory=lambda: null.create("chip", {}))

    def __getattr__(self, name: str) -> object:
        return getattr(self.null, name)

    def supports(self, node: Node) -> Support:
        if node.op.startswith(WHOLE):
            return Support("" if self.runs_whole else "one at a time")
        wanted = {operator.op for operator in node.operators}
        return Support("" if wanted <= self.alone else "not by itself")

    def estimate(self, node: Node) -> Estimate:
        if node.op.startswith(WHOLE):
            return Estimate(10e-6 if len(node.operators) == 3 else 30e-6)
        return Estimate(self.part_s * len(node.operators))


def clustered(text: str, outputs: str, **devices: object) -> str:
    backends: dict[str, Backend] = {"cpu": CPU, **devices}  # type: ignore[dict-item]
    return drawn(Cluster(backends)(graph("q, k, v, x", text, outputs)))


def test_a_device_that_models_the_whole_as_faster_makes_it_a_node() -> None:
    assert clustered(ATTENTION, "o", chip=Chip()) == FUSED


def test_without_such_a_device_the_products_stay_apart() -> None:
    assert clustered(ATTENTION, "o") == APART


def test_a_device_whose_parts_are_faster_leaves_them_apart() -> None:
    assert clustered(ATTENTION, "o", chip=Chip(part_s=3e-6)) == APART


def test_a_device_that_runs_only_the_whole_makes_it_a_node() -> None:
    chip = Chip(part_s=1e-9, alone=frozenset({"MatMul"}))
    assert clustered(ATTENTION, "o", chip=chip) == FUSED


def test_nothing_is_taken_from_a_device_that_runs_all_parts_but_not_the_whole() -> None:
    assert clustered(ATTENTION, "o", chip=Chip(), other=Chip(runs_whole=False)) == APART


@pytest.mark.parametrize("outputs", ["o, p", "o, s"])
def test_what_is_read_outside_is_no_region(outputs: str) -> None:
    assert WHOLE not in clustered(ATTENTION, outputs, chip=Chip())


def test_a_projection_joins_its_attention_where_that_is_faster_still() -> None:
    text = f"{ATTENTION}\nt = Transpose(o)\ny = MatMul(t, W)"
    assert clustered(text, "y", chip=Chip()) == f"y = {WHOLE}+MatMul(q, k, v, W)"  # 30 < 10 + 40
    apart = clustered(text, "y", chip=Chip(part_s=9e-6))  # 30 > 10 + 18
    assert apart == f"{FUSED}\ny = MatMul(o, W)"


def test_a_product_of_two_activations_is_no_projection() -> None:
    text = f"{ATTENTION}\ny = MatMul(o, x)"
    assert clustered(text, "y", chip=Chip()) == f"{FUSED}\ny = MatMul(o, x)"
