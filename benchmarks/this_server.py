"""This machine as a modelled server: its caches by the kernel, its rates by small benchmarks.

Everything is timed by the processor time of the calling thread, of which other work takes nothing
away, and of many calls the lower quartile counts: whatever else runs only ever makes them longer.
Where two threads share a call the fastest one counts, in a moment in which other work leaves the
CPUs free, if there is one: in any other call one of the two may have had no CPU.
What runs are chains of ONNX operators in ONNX Runtime, as that is the engine whose streams are
predicted:

    tiny additions                   what an operator costs by itself
    products of 1, 8, 32 ... rows    the rate of its kernels, and where they lose some of it
    weights in L2, L3 and memory     what bandwidth a core gets, and how much of it is hidden
    one thread and two               what starting a second one costs, and what it leaves undone
    maps of growing size             from which size a second thread helps
"""

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from stagecut.backends.server.machine import Kernels, Server
from stagecut.compiler.ir.units import size
from stagecut.compiler.measure.foreign_load import foreign_load, read_load
from stagecut.compiler.measure.topology import Group, topology
from stagecut.compiler.onnx_runtime import ort

#: Weights of a product are so many columns wide and long: 576 KiB, which fit into most L2s.
_WIDTH = 384
_WEIGHT_BYTES = _WIDTH * _WIDTH * 4
_ROWS = (1, 8, 16, 32, 64, 128, 256, 512)
#: Rows of the product by which traffic behind computing is seen.
_MIXED_ROWS = 32
#: How long each of the small benchmarks takes, and how often it calls at least.
_TURN_S, _LEAST_CALLS = 0.15, 5
#: How long a turn waits for CPUs that other work takes no more than that part of.
_PATIENCE_S, _FREE = 4.0, 0.1
#: So many turns have calls that two threads share.
_SHARED_TURNS = 3
#: So often what depends on other work's traffic is measured.
_TURNS = 5
#: More than any cache of a core's share, in parts of the last one.
_BEYOND = 4


@dataclass(frozen=True)
class ThisServer:
    """`quiet` is whether other work left CPUs free for what two threads share; where it did not,
    what is said of second threads means nothing."""

    server: Server
    kernels: Kernels
    quiet: bool

    def lines(self) -> list[str]:
        server, kernels = self.server, self.kernels
        rows = ", ".join(f"{rows} {part:.2f}" for rows, part in kernels.rows)
        return [
            f"  L2 {size(int(server.l2_bytes))} a core, last cache {size(int(server.cache_bytes))}",
            f"  a core reads weights at {server.cache_core_bytes_per_s / 1e9:.1f} GB/s from the "
            f"last cache, {server.dram_core_bytes_per_s / 1e9:.1f} GB/s from memory; "
            f"all together {server.dram_bytes_per_s / 1e9:.0f} GB/s",
            f"  products {kernels.product_flop_per_s / 1e9:.0f} GFLOP/s a core; by rows: {rows}",
            f"  an operator {kernels.operator_s * 1e6:.1f} µs, a barrier of two threads "
            f"{kernels.barrier_s * 1e6:.1f} µs; {kernels.serial:.0%} of a product stays with one",
            f"  hidden behind computing: {kernels.overlap:.0%} of the traffic; "
            f"maps have a thread for every {kernels.grain_elements} elements",
        ]


def this_server() -> ThisServer:
    """A few seconds of measuring."""
    cpus = sorted(os.sched_getaffinity(0))
    l2_bytes, l3_bytes = _cache_bytes(topology(), "L2"), _cache_bytes(topology(), "L3")
    many = _BEYOND * l3_bytes // _WEIGHT_BYTES
    few = max(2, (2 * l2_bytes) // _WEIGHT_BYTES)
    tiny = {"x": np.zeros(16, np.float32)}
    operator_s = _taken(_session(_additions(64, 16)), tiny) / 64
    near_s = {rows: _product_s(rows, 1) for rows in _ROWS}
    rates = {rows: 2 * rows * _WIDTH**2 / (near_s[rows] - operator_s) for rows in _ROWS}
    cached_s = _product_s(1, few) - operator_s
    missed_s, overlap = _from_memory(many, operator_s)
    shared = _Shared()
    barrier_s, serial = _second_thread(shared, operator_s)
    grain_elements = _grain(shared)
    best = max(rates.values())
    server = Server(
        "this machine",
        (tuple(range(len(cpus))),),
        1,
        l2_bytes=l2_bytes,
        cache_bytes=l3_bytes,
        cache_core_bytes_per_s=_WEIGHT_BYTES / cached_s,
        cache_bytes_per_s=len(cpus) * _WEIGHT_BYTES / cached_s,
        dram_core_bytes_per_s=_WEIGHT_BYTES / missed_s,
        dram_bytes_per_s=_all_read(_BEYOND * l3_bytes, len(cpus)),
        remote=1.0,
        l2_line_s=0.0,
        cache_line_s=0.0,
        residency=0.0,
    )
    kernels = Kernels(
        product_flop_per_s=best,
        map_per_s=best,  # of nodes whose times are measured it is never asked
        operator_s=operator_s,
        grain_elements=grain_elements,
        tile_elements=256,
        serialised=0.0,
        overlap=overlap,
        barrier_s=barrier_s,
        serial=serial,
        rows=tuple((rows, rate / best) for rows, rate in rates.items()),
    )
    return ThisServer(server, kernels, shared.quiet)


def _cache_bytes(groups: Sequence[Group], name: str) -> int:
    """Of the first cache of that name; raises SystemExit where the kernel tells of none."""
    for group in groups:
        if group.name == name and group.size_bytes:
            return group.size_bytes
        if group.groups:
            return _cache_bytes(group.groups, name)
    raise SystemExit(f"the kernel tells of no {name} on this machine, which the model needs")


def _from_memory(count: int, operator_s: float) -> tuple[float, float]:
    """What weights take from memory, and the part of that, or of computing, that is hidden behind
    the other where both are needed: medians of several turns, as other work reads, too."""
    turns = []
    for _ in range(_TURNS):
        missed_s = _product_s(1, count) - operator_s
        near_s = _product_s(_MIXED_ROWS, 1) - operator_s
        mixed_s = _product_s(_MIXED_ROWS, count) - operator_s
        shorter_s, longer_s = sorted((near_s, missed_s))
        turns.append((missed_s, 1 - (mixed_s - longer_s) / shorter_s))
    missed_s, overlap = (statistics.median(each) for each in zip(*turns, strict=True))
    return missed_s, min(1.0, max(0.0, overlap))


def _second_thread(shared: "_Shared", operator_s: float) -> tuple[float, float]:
    """What a barrier takes, and the part of a product that stays with one thread: the line through
    what two sizes of products take on two threads."""
    alone_s, both_s = (
        [
            shared.taken_s(_session(_products(rows, 1), threads), _rows(rows)) - operator_s
            for rows in (32, 512)
        ]
        for threads in (1, 2)
    )
    slope = (both_s[1] - both_s[0]) / (alone_s[1] - alone_s[0])
    serial = min(1.0, max(0.0, 2 * slope - 1))
    barrier_s = max(0.0, (both_s[0] - alone_s[0] * (1 + serial) / 2) / 2)
    return barrier_s, serial


def _grain(shared: "_Shared") -> int:
    """Half the least size of an addition with which two threads are clearly faster than one."""
    elements = 1 << 12
    while elements < 1 << 20:
        feeds = {"x": np.zeros(elements, np.float32)}
        model = _additions(8, elements)
        one_s, two_s = (shared.taken_s(_session(model, threads), feeds) for threads in (1, 2))
        if two_s < 0.8 * one_s:
            break
        elements *= 2
    return elements // 2


class _Shared:
    """Calls that two threads share, each figure the fastest of several turns."""

    def __init__(self) -> None:
        self.quiet = True

    def taken_s(self, session: ort.InferenceSession, feeds: dict[str, np.ndarray]) -> float:
        """Processor time of the calling thread for a run: while the other one works, it spins."""
        fastest_s, quiet = math.inf, False
        for _ in range(_SHARED_TURNS):
            quiet = wait_for_quiet() or quiet
            times_s = timed(lambda: session.run(None, feeds), _TURN_S)
            fastest_s = min(fastest_s, *times_s)
        self.quiet = self.quiet and quiet
        return fastest_s


def _product_s(rows: int, count: int) -> float:
    """One of a chain of so many products, each with weights of its own; where it is one, run on
    the same weights again and again."""
    return _taken(_session(_products(rows, count)), _rows(rows)) / count


def _rows(rows: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(0).random((rows, _WIDTH), np.float32)}


def _products(rows: int, count: int) -> bytes:
    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(
            ((random.random((_WIDTH, _WIDTH)) - 0.5) / _WIDTH**0.5).astype(np.float32), f"w{at}"
        )
        for at in range(count)
    ]
    return _chain("MatMul", (rows, _WIDTH), weights)


def _additions(count: int, elements: int) -> bytes:
    one = numpy_helper.from_array(np.ones(1, np.float32), "w0")
    return _chain("Add", (elements,), [one] * count)


def _chain(op: str, shape: Sequence[int], weights: Sequence[onnx.TensorProto]) -> bytes:
    names = ["x", *(f"v{at}" for at in range(len(weights)))]
    nodes = [
        helper.make_node(op, [names[at], weight.name], [names[at + 1]])
        for at, weight in enumerate(weights)
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name in (names[0], names[-1])
    ]
    distinct = {weight.name: weight for weight in weights}
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], [*distinct.values()])
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())


def _session(model: bytes, threads: int = 1) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _taken(session: ort.InferenceSession, feeds: dict[str, np.ndarray]) -> float:
    """Processor time of a run of one thread."""
    return lower_quartile(timed(lambda: session.run(None, feeds), _TURN_S))


def wait_for_quiet() -> bool:
    """Until other work leaves the CPUs free, or patience ends; whether they are free."""
    end_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end_s:
        before = read_load()
        time.sleep(0.25)
        load = foreign_load(before, read_load())
        if load is None or load.taken <= _FREE:
            return True
    return False


def timed(call: Callable[[], object], turn_s: float, least: int = _LEAST_CALLS) -> list[float]:
    """The calling thread's processor time of each call, the first one left out."""
    call()
    end_s = time.perf_counter() + turn_s
    found: list[float] = []
    while time.perf_counter() < end_s or len(found) < least:
        start_s = time.thread_time()
        call()
        found.append(time.thread_time() - start_s)
    return found


def lower_quartile(times_s: Sequence[float]) -> float:
    return statistics.quantiles(times_s, n=4)[0] if len(times_s) > 1 else times_s[0]


def _all_read(size_bytes: int, cpus: int) -> float:
    """Bytes a second that all CPUs read from memory together, or as much as each reads by itself
    where memory could give more."""
    from concurrent.futures import ThreadPoolExecutor

    numbers = [np.ones(size_bytes // 4, np.float32) for _ in range(cpus)]
    with ThreadPoolExecutor(cpus) as pool:
        taken_s = pool.map(lambda mine: lower_quartile(timed(mine.max, _TURN_S)), numbers)
        return sum(size_bytes / each for each in taken_s)
