"""Costs that force a given assignment, so that any plan can be made without measuring."""

import functools
import random
from collections.abc import Sequence

from stagecut import backends
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostModel, CostTable
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.program import Program
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.profile.synthetic import synthetic_costs


def expand(program: Program, devices: Sequence[str], granularity: Granularity) -> ExpandedGraph:
    """The expanded graph as `compile_model` sees it."""
    engines = backends.create_all(devices)
    return Expand(engines)(Cluster(engines, granularity)(graph_of(program)))


def scattered(seed: int) -> CostModel:
    """By which the optimum puts every node on a random device that can run it."""
    return functools.partial(costs_of, seed=seed)


def scattered_costs(
    model: object,
    devices: Sequence[str],
    *,
    seed: int,
    granularity: Granularity = "cluster",
    feeds: Feeds | None = None,
) -> CostTable:
    """As a table, which can be changed."""
    return costs_of(expand(load_program(model, feeds=feeds), devices, granularity), seed)


def costs_of(expanded: ExpandedGraph, seed: int) -> CostTable:
    """The chosen device of each node is free, every other one costs a second, transfers nothing."""
    return synthetic_costs(expanded, random.Random(seed).choice)  # noqa: S311  # nothing secret
