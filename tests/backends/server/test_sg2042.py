"""The SG2042 by its figures."""

from stagecut.backends.server.calls import ServerCalls, pools_of
from stagecut.backends.server.figures import Figures
from stagecut.backends.server.placement import MAPPINGS, native, pipeline, replicas
from stagecut.backends.server.sg2042 import kernels_of, sg2042
from stagecut.runtime.simulate.simulate import simulate
from tests.support.servers import work

VALUES = Figures.of("sg2042").values()


def test_the_chip() -> None:
    server = sg2042(VALUES)
    assert server.cores == tuple(range(64))
    assert len(server.clusters) == 16
    assert {len(cluster) for cluster in server.clusters} == {4}
    for cluster in server.clusters:
        assert len({server.node_of[core] for core in cluster}) == 1
        assert cluster == tuple(range(cluster[0], cluster[0] + 4))


def test_caches_are_faster_than_memory_and_memory_saturates_at_8_to_15_cores() -> None:
    figures = Figures.of("sg2042")
    for values in figures.draws(16, seed=0):
        server = sg2042(values)
        assert server.cache_core_bytes_per_s > server.dram_core_bytes_per_s
        assert server.cache_bytes_per_s > server.dram_bytes_per_s
        cores = server.dram_bytes_per_s / server.dram_core_bytes_per_s
        assert 7 < cores < 15


def test_every_way_to_place_a_model_can_be_simulated_and_comes_out_the_same_again() -> None:
    server, kernels = sg2042(VALUES), kernels_of(VALUES)
    works = [work(str(at), flops=10**9, weights=4 << 20, elements=10**6) for at in range(16)]
    placements = [
        native(server, works),
        replicas(server, works, 4),
        *(pipeline(server, [[each] for each in works], 4, mapping) for mapping in MAPPINGS),
    ]
    rates = []
    for placement in placements:
        calls = ServerCalls(server, kernels, placement, VALUES["in_one_node"])
        teams = sum(placement.replicas)
        first, again = (
            simulate(calls, pools_of(server), placement.replicas, inputs=3 * teams, limit=2 * teams)
            for _ in range(2)
        )
        assert first == again
        rates.append(1 / first.period_s)
    assert min(rates[1:]) > rates[0]  # 64 threads on one operator are the slowest way of all
