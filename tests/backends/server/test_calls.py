"""Calls on a small server, against what can be reckoned by hand; and in the simulator."""

from dataclasses import replace

import pytest

from stagecut.backends.server.calls import ServerCalls, pools_of
from stagecut.backends.server.machine import Kernels, Server
from stagecut.backends.server.placement import Placement, native, pipeline, replicas
from stagecut.backends.server.work import Work
from stagecut.compiler.ir.fluid import Segment, Traffic
from stagecut.runtime.simulate.simulate import simulate
from tests.support.servers import FREE, KERNELS, SERVER, work


def _one(
    works: tuple[Work, ...],
    *teams: tuple[int, ...],
    server: Server = SERVER,
    kernels: Kernels = FREE,
    inputs: int = 1,
) -> Segment:
    """The only segment of the first replica's call."""
    placement = Placement("", (works,), (teams,), "own node")
    [segment] = ServerCalls(server, kernels, placement).segments(0, 0, inputs)
    return segment


def test_arithmetic_is_shared_out_by_tiles() -> None:
    product = work(flops=1000, elements=50)  # five tiles
    assert _one((product,), (0,)).compute_s == pytest.approx(10)
    assert _one((product,), (0, 1)).compute_s == pytest.approx(10 * 3 / 5)


def test_a_map_has_no_more_threads_than_grains() -> None:
    adds = work(kind="map", flops=250, elements=250)
    assert _one((adds,), tuple(range(8))).compute_s == pytest.approx(25 / 2)
    few = work(kind="map", flops=50, elements=50)
    assert _one((few,), tuple(range(8))).fixed_s == 0  # one thread waits for nobody


def test_starting_and_ending_takes_two_barriers() -> None:
    segment = _one((work(flops=1000),), (0, 1), kernels=KERNELS)
    assert segment.fixed_s == pytest.approx(0.5 + 2 * 1.0)


def test_weights_are_in_l2_or_the_last_cache_or_memory() -> None:
    assert _one((work(weights=1000),), (0,)).traffic == ()
    cached = _one((work(weights=1001),), (0,)).traffic
    assert cached == (Traffic(0, 1001, 1001 / 100),)
    missed = _one((work(weights=9000),), (0,)).traffic
    assert missed == (Traffic(1, 9000, 900),)
    assert _one((work(weights=9000),), (2,)).traffic == (Traffic(2, 9000, 900),)


def test_two_threads_read_twice_as_fast() -> None:
    assert _one((work(weights=9000),), (0, 1)).traffic == (Traffic(1, 9000, 450),)


def test_teams_of_a_cluster_share_its_l2() -> None:
    assert _one((work(weights=600),), (0,), (1,)).traffic == (Traffic(0, 600, 6),)
    assert _one((work(weights=600),), (0,), (4,)).traffic == ()


def test_replicas_with_weights_of_their_own_need_more_of_the_last_cache() -> None:
    works = (work(weights=3000),)
    own, shared = (
        ServerCalls(SERVER, FREE, replace(replicas(SERVER, works, 2), shared=shared))
        for shared in (False, True)
    )
    assert [each.pool for each in shared.segments(0, 0, 1)[0].traffic] == [0]
    assert [each.pool for each in own.segments(0, 0, 1)[0].traffic] == [1]


def test_what_one_thread_loaded_is_far_from_the_others() -> None:
    """Half of the cores are in the other node, whose memory takes twice as long."""
    works = (work(weights=9000),)
    calls = ServerCalls(SERVER, FREE, native(SERVER, works), in_one_node=1.0)
    assert calls.segments(0, 0, 1)[0].traffic == (Traffic(1, 9000, 9000 / 80 * 1.5),)
    spread = ServerCalls(SERVER, FREE, native(SERVER, works)).segments(0, 0, 1)[0].traffic
    assert [each.size_bytes for each in spread] == [4500, 4500]


def test_what_other_clusters_wrote_comes_through_the_last_cache() -> None:
    passes = work(kind="map", flops=1000, reads=400, writes=400)
    assert _one((passes,), (0, 1)).traffic == ()
    [across] = _one((passes,), (0, 1, 2, 3)).traffic
    assert (across.pool, across.size_bytes) == (0, 400 * (1 - 1 / 2))


def test_a_stage_reads_what_another_team_wrote() -> None:
    stages = [[work("a", writes=100)], [work("b", reads=100)]]
    calls = ServerCalls(SERVER, FREE, pipeline(SERVER, stages, 2, "linear"))
    assert calls.segments(0, 0, 1)[0].traffic == ()
    assert [each.size_bytes for each in calls.segments(1, 0, 1)[0].traffic] == [100]


def test_a_batch_reads_weights_once_and_computes_for_each() -> None:
    product = work(flops=1000, weights=9000, rows=4)
    kernels = replace(FREE, rows=((4, 0.5), (8, 1.0)))
    one, two = (_one((product,), (0,), kernels=kernels, inputs=inputs) for inputs in (1, 2))
    assert one.traffic == two.traffic
    assert (one.compute_s, two.compute_s) == (20, 20)  # twice as much, twice as fast


def test_values_that_are_too_large_spill() -> None:
    [spilled] = _one((work(kind="map", reads=600, writes=600),), (0,)).traffic
    assert (spilled.pool, spilled.size_bytes) == (0, 1200)


def test_pools_are_the_last_cache_and_the_memory_of_each_node() -> None:
    assert [pool.bytes_per_s for pool in pools_of(SERVER)] == [400, 20, 20]


def test_replicas_are_as_fast_as_memory_allows() -> None:
    """Four teams that read nothing but weights: two for each node's memory."""
    works = (work(weights=9000),)
    placement = replicas(SERVER, works, 2)
    calls = ServerCalls(SERVER, FREE, placement)
    found = simulate(calls, pools_of(SERVER), placement.replicas, inputs=12, limit=8)
    assert found.period_s == pytest.approx(9000 / 40)


def test_a_pipeline_whose_stages_fit_reads_nothing_and_replicas_do() -> None:
    """Why a pipeline can win: four times the L2, and weights that are read once."""
    works = tuple(work(name, flops=100, weights=900) for name in "abcd")
    placements = (
        pipeline(SERVER, [[each] for each in works], 2, "NUMA-aware"),
        replicas(SERVER, works, 2),
    )
    piped, whole = (
        simulate(
            ServerCalls(SERVER, FREE, each), pools_of(SERVER), each.replicas, inputs=20, limit=8
        ).period_s
        for each in placements
    )
    assert piped == pytest.approx(1 / 2 + 2 * 1)  # on two cores, with two barriers of one second
    assert whole == pytest.approx(4 * 900 / 40)
