"""The picture in the docstring: which cores run what."""

from stagecut.backends.server.placement import MAPPINGS, native, pipeline, replicas
from tests.support.servers import SERVER, work

WORKS = tuple(work(name) for name in "abcd")
STAGES = [[each] for each in WORKS]


def test_native_is_all_of_it_on_all_of_them() -> None:
    placed = native(SERVER, WORKS)
    assert (placed.stages, placed.teams) == ((WORKS,), ((tuple(range(8)),),))
    assert placed.replicas == (1,)


def test_replicas_are_clusters() -> None:
    placed = replicas(SERVER, WORKS, 2)
    assert placed.teams == (((0, 1), (4, 5), (2, 3), (6, 7)),)
    assert (placed.home, placed.shared, placed.replicas) == ("own node", False, (4,))
    assert replicas(SERVER, WORKS, 2, shared=True).home == "as loaded"


def test_pipelines_by_mapping() -> None:
    teams = {mapping: pipeline(SERVER, STAGES, 2, mapping).teams for mapping in MAPPINGS}
    assert teams["linear"] == (((0, 1),), ((2, 3),), ((4, 5),), ((6, 7),))
    assert teams["neighbouring clusters"] == (((0, 1),), ((4, 5),), ((2, 3),), ((6, 7),))
    assert teams["scattered"] == (((0, 4),), ((1, 5),), ((2, 6),), ((3, 7),))
    assert teams["NUMA-aware"] == teams["neighbouring clusters"]


def test_fewer_stages_have_more_replicas() -> None:
    placed = pipeline(SERVER, STAGES[:2], 2, "NUMA-aware")
    assert placed.teams == (((0, 1), (4, 5)), ((2, 3), (6, 7)))
    assert placed.home == "own node"
    assert pipeline(SERVER, STAGES[:3], 2, "linear").replicas == (1, 1, 1)
