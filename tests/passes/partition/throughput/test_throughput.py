"""The fastest stream, against every pipeline that there is."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Device, Memory
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify
from tests.support.streams import least_period, random_stream_table, stream_table

US = 1e-6
CORE = Device("cpu", "host", resource="cores")
PAIR = Device("pair", "host", resource="cores", cores=2)
BATCH = Device("batch", "host", resource="cores", batch=4)
LITTLE = Device("little", "host", resource="little")
PIM = Device("pim", "pim", resource="pim")

CASES = {
    "equal cores: replicas of everything": (
        stream_table("a: cpu 4\n b(a): cpu 8", CORE, cores=4),
        "4 x cpu: a, b",
        3,
    ),
    "two cores together are slower than one each": (
        stream_table("a: cpu 4, pair 3", CORE, PAIR, cores=4),
        "4 x cpu: a",
        1,
    ),
    "a batch is worth its call": (
        stream_table("a: cpu 4, batch 6", CORE, BATCH, cores=2),
        "2 x batch: a",
        0.75,
    ),
    "what only another kind of cores can run": (
        stream_table("a: cpu 4\n b(a): little 2", CORE, LITTLE, cores=2, little=1),
        "2 x cpu: a\n1 x little: b",
        2,
    ),
    "other cores take their share": (
        stream_table("a: cpu 6, little 6\n b(a): cpu 3, little 6", CORE, LITTLE, cores=1, little=1),
        "1 x little: a\n1 x cpu: b",
        6,
    ),
    "far away pays for the way there and back": (
        stream_table("a: cpu 3\n b(a): cpu 9, pim 2\n c(b): cpu 3", CORE, PIM, cores=2),
        "1 x cpu: a\n1 x pim: b\n1 x cpu: c",
        6,
    ),
}


@pytest.mark.parametrize(("table", "stream", "period_us"), CASES.values(), ids=CASES.keys())
def test_streams(table: CostTable, stream: str, period_us: float) -> None:
    solution = Throughput()(table)
    assert str(solution.stream) == stream
    assert solution.account.period_s == pytest.approx(period_us * US)


@pytest.mark.no_cover
def test_no_pipeline_is_faster() -> None:
    """Every chain of ideals, on every device, with every number of replicas."""
    solved = 0
    for seed in range(150):
        table = random_stream_table(seed)
        least_s = least_period(table)
        try:
            solution = Throughput()(table)
        except UnplaceableError:
            assert least_s == float("inf")
            continue
        solved += 1
        assert solution.account.period_s == pytest.approx(least_s, rel=1e-9, abs=1e-12)
        assert solution.certificate.period_s == pytest.approx(least_s, rel=1e-9, abs=1e-12)
        assert solution.certificate.lower_bound_s <= least_s * (1 + 1e-9)
        verify(table, solution.certificate)
    assert solved > 100


def test_too_wide_a_graph_is_cut_in_its_own_order() -> None:
    """Twenty independent nodes have a million ideals."""
    starting = replace(CORE, stage_s=1 * US)
    nodes = "\n".join(f"n{index}: cpu {index}" for index in range(20))
    table = stream_table(nodes, starting, cores=3)
    solution = Throughput()(table)
    assert solution.certificate.scope == "contiguous stages in the graph's order"
    assert solution.certificate.claim == (
        "no pipeline of stretches of the graph's order is faster; other schedules by 0.52% at most"
    )
    verify(table, solution.certificate)


def test_what_takes_no_time_has_no_period() -> None:
    solution = Throughput()(stream_table("a: cpu 0", CORE, cores=1))
    assert solution.account.period_s == 0
    assert solution.certificate.claim == "optimal: no schedule is faster"


TWO_IN_A_MEMORY = Device("far", "pim", resource="far")
REFUSED = {
    "too few units": (
        stream_table("a: pair 1", PAIR, cores=1),
        "one replica of each stage takes more units",
    ),
    "room for two stages in a memory far away": (
        stream_table("a: far 1", CORE, TWO_IN_A_MEMORY, cores=1, far=2),
        "memory 'pim' has room for two stages",
    ),
    "an output that must end far away": (
        replace(stream_table("a: cpu 1", CORE, PIM, cores=1), outputs=(Endpoint("a", "pim"),)),
        "outputs are in the host's memory, and 'a' is not",
    ),
    "nothing to do": (
        replace(stream_table("a: cpu 1", CORE, cores=1), nodes=()),
        "there is no node",
    ),
    "weights that do not fit": (
        replace(
            (one := stream_table("a: cpu 1", CORE, cores=1)),
            machine=replace(one.machine, memories=(Memory("host", capacity_bytes=1),)),
            nodes=(replace(one.nodes[0], weight_bytes=2),),
        ),
        "the least that can be had is 2 B of weights",
    ),
}


@pytest.mark.parametrize(("table", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_what_streams_cannot_be_asked_about(table: CostTable, problem: str) -> None:
    with pytest.raises(UnplaceableError) as refusal:
        Throughput()(table)
    assert problem in str(refusal.value)
