"""A small plan whose stages can run in processes of their own, and what it should answer."""

import os
from functools import cache
from pathlib import Path

import numpy as np

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.device import Feeds, StagedSchedule, Tensor
from tests.support.reference import run_reference
from tests.support.scattered import scattered_costs
from tests.support.small_plans import model

FEEDS: Feeds = {"x": np.linspace(-1, 1, 48, dtype=np.float32).reshape(2, 24)}


@cache
def plan(device: str = "cpu.serial") -> Plan:
    """In one stage."""
    costs = scattered_costs(model(), [device], seed=0, granularity="op", feeds=FEEDS)
    return compile_model(model(), feeds=FEEDS, devices=[device], costs=costs, granularity="op")


@cache
def staged() -> StagedSchedule:
    return plan().first.staged()


def expected_outputs(x: Tensor) -> Feeds:
    """By the reference, by name."""
    names = [value.name for value in model().graph.output]
    return dict(zip(names, run_reference(model(), {"x": x}), strict=True))


_FOR_TESTS = (b"resource_tracker", b"tests.support.forked")


def children() -> set[int]:
    """The processes that this one has started and not yet seen the end of, but for the one in which
    multiprocessing keeps its books, and the one that forks commands for tests."""
    return {
        int(number)
        for listed in Path("/proc/self/task").glob("*/children")
        for number in listed.read_text().split()
        if not any(each in Path(f"/proc/{number}/cmdline").read_bytes() for each in _FOR_TESTS)
    }


def is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True
