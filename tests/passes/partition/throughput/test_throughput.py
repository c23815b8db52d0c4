"""The fastest stream, against every pipeline that there is."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import Budget, CostTable, Endpoint
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Device, Memory
from stagecut.compiler.ir.stream import StreamAccount, StreamSolution
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify
from tests.support.streams import (
    every_account,
    least_period,
    random_energy_limit,
    random_frugal_table,
    random_heavy_table,
    random_limits,
    random_stream_table,
    stream_table,
)

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


def _fastest(
    table: CostTable, accounts: Sequence[StreamAccount], limits: Sequence[Limit] = ()
) -> StreamSolution | None:
    """The fastest within the limits, of whose streams these are the `accounts`, and which is proved
    and as fast as the fastest of them; None where there is none."""
    least_s = least_period(accounts, limits)
    try:
        solution = Throughput(tuple(limits))(table)
    except UnplaceableError:
        assert least_s == float("inf")
        return None
    assert solution.account.period_s == pytest.approx(least_s, rel=1e-9, abs=1e-12)
    assert solution.certificate.period_s == pytest.approx(least_s, rel=1e-9, abs=1e-12)
    assert all(limit.allows(solution.account.taken(limit.name)) for limit in limits)
    verify(table, solution.certificate)
    return solution


@pytest.mark.no_cover
def test_no_pipeline_is_faster() -> None:
    """Every chain of ideals, on every device, with every number of replicas."""
    solved = 0
    for seed in range(150):
        table = random_stream_table(seed)
        accounts = every_account(table)
        solution = _fastest(table, accounts)
        if solution is not None:
            solved += 1
            assert solution.certificate.lower_bound_s <= least_period(accounts) * (1 + 1e-9)
    assert solved > 100


@pytest.mark.no_cover
def test_no_pipeline_within_limits_is_faster() -> None:
    """Nothing limited but memories, latency, memory, and both."""
    solved = held = 0
    for seed in range(60):
        table = random_heavy_table(seed)
        accounts = every_account(table)
        latency, memory = random_limits(accounts, seed) if accounts else (None, None)
        for limits in (
            ((), (latency,), (memory,), (latency, memory)) if latency and memory else ((),)
        ):
            solution = _fastest(table, accounts, limits)
            if solution is not None:
                solved += 1
                held += bool(solution.certificate.limits)
    assert solved > 150
    assert held > 40


@pytest.mark.no_cover
def test_no_pipeline_within_budgets_is_faster() -> None:
    """A budget of the table's, energy, and energy beside latency."""
    solved = held = 0
    for seed in range(25):
        table = random_frugal_table(seed)
        accounts = every_account(table)
        limits: list[tuple[Limit, ...]] = [()]
        if accounts:
            energy = random_energy_limit(accounts, seed)
            limits += [(energy,), (random_limits(accounts, seed)[0], energy)]
        for asked in limits:
            solution = _fastest(table, accounts, asked)
            if solution is not None:
                solved += 1
                held += any(limit.is_budget for limit in solution.certificate.limits)
    assert solved > 40
    assert held > 12


#: Where a call on one core takes too long, or what two replicas pass on does not fit: threads.
ONE_CORE = Device("t1", "host", resource="cores")
TWO_CORES = Device("t2", "host", resource="cores", cores=2)
THREADS = replace(
    stream_table("a: t1 4, t2 3\n b(a): t1 4, t2 3", ONE_CORE, TWO_CORES, cores=2),
    outputs=(Endpoint("b", "host"),),
)
THREADS = replace(
    THREADS,
    nodes=tuple(replace(node, run_j={"t1": 5e-3, "t2": 4e-3}) for node in THREADS.nodes),
    values=tuple(
        replace(value, transfer_j=dict.fromkeys(value.transfer_s, 0.0)) for value in THREADS.values
    ),
)
LIMITED = {
    "no limit": ((), "2 x t1: a, b", 4),
    "a limit that the fastest keeps to": (
        (Limit("latency", 8 * US),),
        "2 x t1: a, b",
        4,
    ),
    "between the latencies of one thread and two": (
        (Limit("latency", 7 * US),),
        "1 x t2: a, b",
        6,
    ),
    "just below what two replicas pass on": ((Limit("memory", 2047),), "1 x t2: a, b", 6),
    "just below what one core takes": ((Limit("energy", 9.99e-3),), "1 x t2: a, b", 6),
}


@pytest.mark.parametrize(("limits", "stream", "period_us"), LIMITED.values(), ids=LIMITED.keys())
def test_limits(limits: tuple[Limit, ...], stream: str, period_us: float) -> None:
    solution = Throughput(limits)(THREADS)
    assert str(solution.stream) == stream
    assert solution.account.period_s == pytest.approx(period_us * US)
    verify(THREADS, solution.certificate)


def test_a_certificate_names_the_limits_that_make_a_difference() -> None:
    certificate = Throughput((Limit("latency", 7 * US),))(THREADS).certificate
    assert certificate.claim == (
        "optimal: no pipeline of contiguous stages within 7.00 µs of latency is faster; "
        "other schedules by 33.33% at most"
    )
    assert Throughput((Limit("latency", 1.0),))(THREADS).certificate.limits == ()


BEYOND = {
    "latency": (
        Limit("latency", 5 * US),
        "5.00 µs of latency: the least that can be had is 6.00 µs",
    ),
    "memory": (Limit("memory", 10), "10 B of memory: the least that can be had is 1.00 KiB"),
    "energy": (
        Limit("energy", 1e-9),
        "1.00 nJ of energy an input: the least that can be had is 8.00 mJ of energy an input",
    ),
}


@pytest.mark.parametrize(("limit", "problem"), BEYOND.values(), ids=BEYOND.keys())
def test_limits_that_nothing_keeps_to(limit: Limit, problem: str) -> None:
    with pytest.raises(UnplaceableError, match=f"no stream keeps to {problem}"):
        Throughput((limit,))(THREADS)


def test_interchangeable_devices_take_turns() -> None:
    """Three accelerators, each with a memory of its own: three stages, each on its own. What they
    pass on goes by way of the host, though there are straight ways between them."""
    devices = [Device(f"npu{at}", f"npu{at}") for at in range(3)]
    costs = ", ".join(f"npu{at} 4" for at in range(3))
    nodes = "\n".join(f"n{at}{f'(n{at - 1})' if at else ''}: {costs}" for at in range(3))
    table = stream_table(nodes, *devices, Device("cpu", "host"))
    solution = Throughput()(table)
    assert str(solution.stream) == "1 x npu0: n0\n1 x npu1: n1\n1 x npu2: n2"
    assert len(solution.certificate.potentials[0]) == 2  # without and with the cpu, not 2 ** 3
    verify(table, solution.certificate)


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
    "a budget that is none": (
        replace(stream_table("a: cpu 1", CORE, cores=1), budgets=(Budget("latency", 1.0),)),
        "'latency' means something else of streams",
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
