"""Model -> plan -> run: the numbers of ONNX Runtime on the whole model, however it is split."""

import functools
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from stagecut import models
from stagecut.compiler import compile_model
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.program import Program
from stagecut.passes.cluster.cluster import Granularity
from stagecut.passes.partition.partition import Partition
from stagecut.runtime import Session
from tests.support.reference import run_reference
from tests.support.scattered import costs_of, expand, scattered
from tests.support.thin import build_thin

TINY = tuple(name for name in models.names() if name.startswith("tiny-"))
#: Of the llama family, whose proofs take long, the tiny one is asked the same.
LLAMAS = ("llama-100m", "llama-500m")
#: Of GPT-J's family and GPT-3's, whose layers share gigabytes of weights, the tiny one.
LARGE = ("gpt3-xl", "gpt-j")
#: Two models each, which are one plan: test_whisper.py.
SPEECH = ("whisper-tiny", "whisper-tiny-en")
WHOLE = tuple(name for name in models.names() if name not in (*TINY, *LLAMAS, *LARGE, *SPEECH))
#: A thin model's layers are so many times smaller than the real one's, roughly.
_THINNER = 256
CPU = ("cpu.serial", "cpu.parallel")


@functools.cache
def _tiny(name: str) -> Program:
    """Exported once for all tests."""
    return load_program(f"zoo:{name}")


def _check(plan: Plan, program: Program, tolerance: float) -> None:
    """Outputs differ from the reference by at most `tolerance` of the largest magnitude."""
    ours = Session(plan).run(None, program.feeds)
    for found, expected in zip(ours, run_reference(program.model, program.feeds), strict=True):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert _largest_difference(found, expected) <= tolerance


def _largest_difference(found: Tensor, expected: Tensor) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _timed(expanded: ExpandedGraph, seed: int, flop_s: float) -> CostTable:
    """As engines of one kind time it: by its size, give or take a third, and for each start."""
    random = Random(seed)  # noqa: S311
    table = costs_of(expanded, seed)
    flops = {node.name: node.flops for node in expanded.graph.nodes}
    nodes = tuple(
        replace(
            node,
            run_s={
                device: (1e-6 + flops[node.name] * flop_s) * random.uniform(0.7, 1.4)
                for device in node.run_s
            },
        )
        for node in table.nodes
    )
    devices = tuple(replace(device, stage_s=5e-6) for device in table.machine.devices)
    return replace(table, nodes=nodes, machine=replace(table.machine, devices=devices))


def _check_proof(expanded: ExpandedGraph, flop_s: float = 5e-11) -> None:
    """The optimum is proved over all schedules, though starting stages has a price."""
    for seed in range(3):
        certificate = Partition()(_timed(expanded, seed, flop_s)).certificate
        assert (certificate.exact, certificate.scope) == (True, "all schedules"), str(certificate)


@pytest.mark.parametrize("name", TINY)
def test_the_optimum_of_every_tiny_graph_is_proved(name: str) -> None:
    program = _tiny(name)
    _check_proof(expand(program, CPU, "cluster"))
    _check_proof(expand(program, CPU, "op"))


@pytest.mark.no_cover  # PyTorch's export would be traced, too; tiny ones run the same lines
@pytest.mark.parametrize("name", WHOLE)
def test_a_cpu_plan_of_every_model_says_what_onnxruntime_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the optimum of every graph is proved. Thin models stand for the published ones: one of
    each kind with as many layers, and the times of wide ones."""
    build_thin(name, monkeypatch)
    program = load_program(f"zoo:{name}")
    expanded = expand(program, CPU, "cluster")
    _check_proof(expanded, _THINNER * 5e-11)
    costs = costs_of(expanded, seed=0)
    plan = compile_model(program.model, feeds=program.feeds, devices=CPU, costs=costs)
    assert {stage.device for stage in plan.first.planned.schedule.stages} == set(CPU)
    _check(plan, program, 1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", TINY)
def test_nodes_on_random_devices_give_the_same_outputs(name: str, seed: int) -> None:
    devices = (*CPU, "null")
    program = _tiny(name)
    granularity: Granularity = "op" if seed % 2 else "cluster"
    plan = compile_model(
        program.model,
        feeds=program.feeds,
        devices=devices,
        costs=scattered(seed),
        granularity=granularity,
    )
    # every node is where the table wants it
    assert plan.first.planned.account.latency_s == 0.0
    _check(plan, program, 1e-4)


@pytest.mark.parametrize("name", TINY)
def test_nodes_in_half_precision_memory_stay_close(name: str) -> None:
    devices = ("cpu.serial", "pim.hbm")
    program = _tiny(name)
    plan = compile_model(program.model, feeds=program.feeds, devices=devices, costs=scattered(1))
    assert {stage.device for stage in plan.first.planned.schedule.stages} == set(devices)
    _check(plan, program, 2e-2)


def test_a_measured_plan_of_a_tiny_model() -> None:
    program = _tiny("tiny-bert")
    plan = compile_model("zoo:tiny-bert", devices=CPU)
    planned = plan.first.planned
    assert planned.account.basis == "measured"
    assert len(planned.profile_paths) == 2
    assert all(contender.accounting == "measured" for contender in planned.contenders)
    _check(plan, program, 1e-4)
