"""What each pass makes of a small example, as text: the command, before and after.

The files in tests/golden/ have been read and found good; what parses is parsed back.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from stagecut.backends import null
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.schedule import Schedule
from stagecut.passes.cluster.cluster import Cluster
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import proposals
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.restrict import Restrict, parse_rule
from stagecut.passes.profile.paths import plan_paths
from stagecut.passes.stage.stage import stage
from tests.support.borders import Borders
from tests.support.expanded import expanded
from tests.support.golden import assert_golden
from tests.support.graphs import graph
from tests.support.tables import cost_table, drawn

#: A block of two products with a residual around it; the second product wants its input turned.
BLOCK = graph(
    "x",
    """
    q = MatMul(x, W)
    b = Add(q, B)
    r = Relu(b)
    t = Transpose(r)
    p = MatMul(t, V)
    y = Add(p, x)
    """,
    "y",
)

DEVICES = {
    "cpu": null.create("cpu", {"memory": "host"}),
    "pim": null.create("pim", {"operators": "MatMul+Add"}),
}

#: The pim is faster at the products, and the first one may be worth the way there.
TABLE = cost_table(
    """
    a(x)   : cpu 9, gang 7, pim 2
    b(a)   : cpu 2, gang 2
    c(b)   : cpu 3, gang 5, pim 1
    d(a, c): cpu 1, gang 1
    """,
    stage_us={"gang": 1},
    sizes={"x": 1024, "a": 4096, "b": 4096, "c": 1024},
    inputs="x@host",
    outputs="d@host",
)


def _said(table: CostTable) -> str:
    around = "a transfer takes 2, starting a stage on gang 1; x starts and d ends in the host"
    return f"{drawn(table)}\n{around}"


def _cluster() -> tuple[str, str, str]:
    after = Cluster(DEVICES)(BLOCK)
    assert Graph.parse(str(after)) == after
    return "stagecut compile --granularity cluster", str(BLOCK), str(after)


def _expand() -> tuple[str, str, str]:
    before = Cluster(DEVICES)(BLOCK)
    return "stagecut compile --device cpu --device pim", str(before), str(Expand(DEVICES)(before))


def _restrict() -> tuple[str, str, str]:
    rules = Restrict(pins=(parse_rule("c=cpu"),), forbids=(parse_rule("*=gang"),))
    command = "stagecut partition costs.json --pin c=cpu --forbid '*=gang'"
    return command, drawn(TABLE), drawn(rules(TABLE))


def _partition() -> tuple[str, str, str]:
    best = Partition()(TABLE)
    assert Schedule.parse(str(best.schedule)) == best.schedule
    return "stagecut partition costs.json", _said(TABLE), f"{best.certificate}\n{best.schedule}"


def _stage() -> tuple[str, str, str]:
    schedule = Schedule.parse(
        """
        transfer x: host > pim
        run pim: q, b
        transfer b: pim > host
        run cpu: r, t
        transfer t: host > pim
        run pim: p, y
        transfer y: pim > host
        """
    )
    costs = account(_costs_of(BLOCK), schedule)
    after = stage(BLOCK, schedule, costs, Borders())
    return "stagecut compile --dump DIR", f"{BLOCK}\n\n{schedule}", str(after)


def _costs_of(found: Graph) -> CostTable:
    lines = (
        f"{node.name}({', '.join(value.name for value in node.inputs)}): cpu 1, pim 1"
        for node in found.nodes
    )
    return cost_table("\n".join(lines), inputs="x@host", outputs="y@host")


def _paths() -> tuple[str, str, str]:
    before = expanded(TABLE)
    lines = [
        f"path {path.name}: {path.reason}\n{path.assignment}\n"
        + "\n".join(f"transfers {each}" for each in path.covers)
        for path in plan_paths(before).paths
    ]
    return "stagecut profile --plan-only", str(before), "\n".join(lines).rstrip()


def _contenders() -> tuple[str, str, str]:
    found = proposals(TABLE, Partition()(TABLE), LATENCY)
    lines = [f"{each}, {each.account.latency_s * 1e6:g} us\n{each.schedule}" for each in found]
    return "stagecut compile --costs costs.json", _said(TABLE), "\n\n".join(lines)


PASSES = {
    "cluster": _cluster,
    "expand": _expand,
    "paths": _paths,
    "restrict": _restrict,
    "partition": _partition,
    "contenders": _contenders,
    "stage": _stage,
}


@pytest.mark.parametrize(("name", "run"), PASSES.items(), ids=PASSES.keys())
def test_before_and_after(
    name: str, run: Callable[[], tuple[str, str, str]], tmp_path: Path
) -> None:
    command, before, after = run()
    text = f"$ {command}\n\nbefore\n\n{before}\n\nafter\n\n{after}\n"
    assert_golden(f"pass-{name}.txt", text, tmp_path)
