"""Which cores run what, and in which node's memory weights lie.

Eight cores in clusters of two; nodes {0, 1, 4, 5} and {2, 3, 6, 7}; stages a, b, c and d:

    core                      0 1   2 3   4 5   6 7
    native                    all of it on all of them
    replicas                  r0    r1    r2    r3      each the whole model
    pipeline  linear          a     b     c     d       by number
              neighbours      a     c     b     d       clusters of one node, then the next
              scattered       a b   c d   a b   c d     each far apart
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.backends.server.machine import Server
from stagecut.backends.server.work import Work

#: Where weights are: each team's in the memory of its own node; or where whoever loaded them left
#: them, which may be one node or all.
Home: TypeAlias = Literal["own node", "as loaded"]

Mapping: TypeAlias = Literal["linear", "neighbouring clusters", "scattered", "NUMA-aware"]

MAPPINGS: tuple[Mapping, ...] = ("linear", "neighbouring clusters", "scattered", "NUMA-aware")

#: The numbers of the cores that share a call.
Team: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Stages, each with the team of each of its replicas. `shared` says whether the replicas of a
    stage have one copy of its weights."""

    name: str
    stages: tuple[tuple[Work, ...], ...]
    teams: tuple[tuple[Team, ...], ...]
    home: Home
    shared: bool = True

    @property
    def replicas(self) -> tuple[int, ...]:
        return tuple(map(len, self.teams))


def native(server: Server, works: Sequence[Work]) -> Placement:
    """Every operator on all cores, one after the other."""
    name = f"native, {len(server.cores)} threads"
    return Placement(name, (tuple(works),), ((server.cores,),), "as loaded")


def replicas(
    server: Server, works: Sequence[Work], threads: int, *, shared: bool = False
) -> Placement:
    """As many of the whole model as there are teams of so many threads; with weights of their own
    as where they are processes, each of which loads its own."""
    teams = _in_order(server, threads)
    home: Home = "as loaded" if shared else "own node"
    how = "shared weights" if shared else "own weights"
    name = f"{len(teams)} x {threads} replicas, {how}"
    return Placement(name, (tuple(works),), (teams,), home, shared)


def pipeline(
    server: Server, stages: Sequence[Sequence[Work]], threads: int, mapping: Mapping
) -> Placement:
    """As many teams to each stage as there are for all."""
    if mapping == "linear":
        teams = _split(server.cores, threads)
    elif mapping == "scattered":
        apart = len(server.cores) // threads
        teams = tuple(tuple(server.cores[first::apart]) for first in range(apart))
    else:
        teams = _in_order(server, threads)
    each = len(teams) // len(stages)
    placed = tuple(teams[at * each : (at + 1) * each] for at in range(len(stages)))
    home: Home = "own node" if mapping == "NUMA-aware" else "as loaded"
    return Placement(f"pipeline, {mapping}", tuple(map(tuple, stages)), placed, home)


def _in_order(server: Server, threads: int) -> tuple[Team, ...]:
    return _split([core for cluster in server.clusters for core in cluster], threads)


def _split(cores: Sequence[int], size: int) -> tuple[Team, ...]:
    return tuple(tuple(cores[at : at + size]) for at in range(0, len(cores), size))
