"""What each pass makes of a small example, as text: the command, before and after.

The files in tests/golden/ have been read and found good; what parses is parsed back.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from stagecut.backends import null
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.machine import Device, Machine, Memory
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Schedule
from stagecut.passes.cluster.cluster import Cluster
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import proposals
from stagecut.passes.gate.gate import choose, predicted
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.restrict import Restrict, parse_rule
from stagecut.passes.precision.error_front import error_front
from stagecut.passes.precision.tighten import tighten
from stagecut.passes.profile.paths import plan_paths
from stagecut.passes.rewrite.again import Again, with_again
from stagecut.passes.rewrite.coded import Coded, with_codings
from stagecut.passes.stage.stage import stage
from stagecut.passes.sweep.scale import Scale
from stagecut.passes.sweep.sweep import Sweep
from stagecut.passes.widen import Widen
from tests.support.assembled import SCHEDULE, assembled, residual
from tests.support.borders import Borders
from tests.support.expanded import expanded
from tests.support.golden import assert_golden
from tests.support.graphs import graph
from tests.support.over_hosts import measured
from tests.support.tables import US, cost_table, drawn

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

#: Two operators whose result two others read.
CHAIN = Program(
    "chain",
    ir.from_proto(
        onnx.shape_inference.infer_shapes(
            onnx.parser.parse_model(
                '<ir_version: 10, opset_import: ["": 21]> chain (float[2,4] x) => (float[2,4] y) {'
                "[a] t = Neg(x) [b] u = Tanh(t) [c] v = Sin(u) [d] y = Add(v, u) }"
            )
        )
    ),
    {},
    "",
)

_OVER_HOSTS = "stagecut compile chain.onnx --machine machine.json --tolerance 0.01"


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


def _gate() -> tuple[str, str, str]:
    """The optimum and a single device cannot be told apart, and the device is one stage."""
    seen_us = {"optimum": (12, 11, 14), "cpu": (12.1, 11.5, 14), "gang": (16, 15, 17)}
    before = [
        replace(each, accounting="measured", runs=21, chosen=False, why="")
        for each in predicted(proposals(TABLE, Partition()(TABLE), LATENCY))
        if each.name in seen_us
    ]
    for at, each in enumerate(before):
        median_s, low_s, high_s = (us * 1e-6 for us in seen_us[each.name])
        before[at] = replace(each, median_s=median_s, low_s=low_s, high_s=high_s)
    after = [f"{each.name}: {each.why}" for each in choose(before, LATENCY)]
    lines = [
        f"{each.name}: {each.stages} stages, {each.median_s * 1e6:g} us, "
        f"95 % within {each.low_s * 1e6:g} .. {each.high_s * 1e6:g} us"
        for each in before
    ]
    return "stagecut report x.plan --contenders", "\n".join(lines), "\n".join(after)


def _assemble() -> tuple[str, str, str]:
    after = assembled()
    lines = [
        *(f"input {port.name} as {port.value}, {port.shape}, {port.dims}" for port in after.inputs),
        *(f"output {port.name}, {port.shape}, {port.dims}" for port in after.outputs),
        *(
            f"{stage.file}: ({', '.join(port.name for port in stage.inputs)}) -> "
            f"{', '.join(port.name for port in stage.outputs)}, observed {stage.observed_s:g} s"
            for stage in after.stages
        ),
        *(f"node {node.name}: {', '.join(node.operators)}" for node in after.nodes),
    ]
    return "stagecut compile residual.onnx", f"{residual()}\n\n{SCHEDULE}", "\n".join(lines)


def _widen() -> tuple[str, str, str]:
    """The driver's host, and b, and c, which takes twice as long."""
    cpu = "cpu.serial"
    one_host = CostTable(
        "two",
        Machine((Memory("host"),), (Device(cpu, "host"),)),
        tuple(ValueCosts(name, 1000) for name in "xab"),
        (
            NodeCosts("a", "Op", {cpu: 10 * US}, ("x",), ("a",)),
            NodeCosts("b", "Op", {cpu: 4 * US}, ("a",), ("b",)),
        ),
        (Endpoint("x", "host"),),
        (Endpoint("b", "host"),),
    )
    after = Widen(measured(), "cpu")(one_host)
    routes = [
        f"{value.name}: "
        + ", ".join(f"{route} {time_s / US:.3g}" for route, time_s in value.transfer_s.items())
        for value in after.values
    ]
    text = "\n".join((drawn(after), *routes))
    return "stagecut compile x.onnx --machine machine.json", drawn(one_host), text


def _sweep() -> tuple[str, str, str]:
    curve = Sweep(Scale("pim"), 0.25, 8.0)(TABLE)
    lines = [
        f"from {point.at:.3g} times on, where all takes {point.total / US:.3g} us: "
        + ", ".join(f"{move.node} from {move.before} to {move.after}" for move in point.moved)
        for point in curve.breakpoints
    ]
    command = "stagecut sweep costs.json --scale pim=0.25..8"
    return command, _said(TABLE), "\n".join((*lines, f"{curve.solves} partitions"))


def _again() -> tuple[str, str, str]:
    """What d reads is made again where d runs."""
    found = with_again(CHAIN, [Again(("a", "b"), {"u": ("d",)})])
    return _OVER_HOSTS, str(graph_of(CHAIN)), str(graph_of(found))


def _coded() -> tuple[str, str, str]:
    """What c reads goes over the wire in 8 bits."""
    found, wire = with_codings(CHAIN, [Coded("u", "int8", ("c",))])
    after = f"{graph_of(found)}\n\nover the wire, or decoded behind it: {', '.join(sorted(wire))}"
    return _OVER_HOSTS, str(graph_of(CHAIN)), after


def _tighten() -> tuple[str, str, str]:
    """Errors of single nodes do not add up as was thought: the plan is off by a fifth more."""
    found = tighten(
        0.1,
        0.01,
        lambda limit: limit**0.5,
        lambda off: off**2,
        lambda off: off,
        lambda off: 1.2 * off,
    )
    lines = [
        f"limit {each.limit:.3g}: predicted {each.predicted:.3g}, measured {each.measured:.3g}"
        for each in found.attempts
    ]
    return "stagecut compile x.onnx --tolerance 0.1", "0.1 may be measured", "\n".join(lines)


def _error_front() -> tuple[str, str, str]:
    """Each schedule: what it takes, and the sum of squared errors."""
    every = {"int4": (2.0, 0.16), "int8": (3.0, 0.0225), "mixed": (4.0, 0.004), "f32": (9.0, 0.0)}

    def fastest(limit: float | None) -> str:
        return min(
            (name for name, (_, off) in every.items() if limit is None or off <= limit),
            key=lambda name: every[name],
        )

    found = error_front(fastest, lambda name: every[name][1], 8)  # type: ignore[arg-type,index]
    before = "\n".join(f"{name}: {time:g} s, {off:g}" for name, (time, off) in every.items())
    return "stagecut compile x.onnx --precision auto", before, "\n".join(map(str, found))


PASSES = {
    "cluster": _cluster,
    "expand": _expand,
    "paths": _paths,
    "restrict": _restrict,
    "partition": _partition,
    "contenders": _contenders,
    "stage": _stage,
    "gate": _gate,
    "assemble": _assemble,
    "widen": _widen,
    "sweep": _sweep,
    "again": _again,
    "coded": _coded,
    "tighten": _tighten,
    "error-front": _error_front,
}


@pytest.mark.parametrize(("name", "run"), PASSES.items(), ids=PASSES.keys())
def test_before_and_after(
    name: str, run: Callable[[], tuple[str, str, str]], tmp_path: Path
) -> None:
    command, before, after = run()
    text = f"$ {command}\n\nbefore\n\n{before}\n\nafter\n\n{after}\n"
    assert_golden(f"pass-{name}.txt", text, tmp_path)
