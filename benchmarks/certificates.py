"""Claim: what the partitioner proves is about all schedules, and nearly always the whole truth.

    python -m benchmarks.certificates [--models bert-base,gpt2] [--tables 3] [--random 1000]

Solves the graphs of the zoo, clustered and operator by operator, on the real devices alone and
with an HBM-PIM, and random residual graphs of growing size. Starting a stage has a price on every
real device, so that the order in which nodes run matters. Run times are drawn (work and bytes by a
factor for each device and noise), transfers and the PIM's times are those of its model: nothing
is measured. Prints how many were solved exactly over every assignment in every order, the largest
gap that is left of the others, and the processor time.
"""

import argparse
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from benchmarks.support import describe_machine
from stagecut import backends
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.partition.partition import Partition
from tests.support.synthetic_tables import transformer

MODELS = "mlp,bert-small:seq=16,bert-base:seq=16,roberta-base:seq=16,gpt2:seq=16,vit-base,resnet-50"
REAL = ("cpu.serial", "cpu.parallel", "openvino.f32.serial", "openvino.f32")
MODELLED = "pim.hbm"
RANDOM_NODES = (60, 150, 400, 1000)


def main() -> None:
    options = _arguments()
    print(describe_machine())
    real = [name for name in REAL if name in backends.real_devices()]
    print(f"{'graph':34} {'nodes':>6} {'tables':>6} {'exact':>6} {'largest gap':>12} {'CPU s':>7}")
    for model in filter(None, options.models.split(",")):
        graph = graph_of(load_program(f"zoo:{model}"))
        for granularity in ("cluster", "op"):
            for devices in (real, [*real, MODELLED]):
                engines = backends.create_all(devices)
                finest: Granularity = "cluster" if granularity == "cluster" else "op"
                expanded = Expand(engines)(Cluster(engines, finest)(graph))
                name = f"{model} {granularity}{' + PIM' if MODELLED in devices else ''}"
                _row(name, (_drawn(expanded, engines, seed) for seed in range(options.tables)))
    for nodes in RANDOM_NODES:
        if nodes <= options.random:
            for stage_s in (2e-6, 50e-6):
                tables = (
                    transformer(nodes, seed=seed, stage_s=stage_s) for seed in range(options.tables)
                )
                _row(f"random, a start {stage_s * 1e6:.0f} us", tables)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--tables", type=int, default=3, help="drawn for each graph")
    parser.add_argument("--random", type=int, default=1000, help="most nodes of a random graph")
    return parser.parse_args()


def _row(name: str, tables: Iterator[CostTable]) -> None:
    exact, gaps, nodes, spent_s = 0, [0.0], 0, []
    for table in tables:
        start_s = time.process_time()
        certificate = Partition()(table).certificate
        spent_s.append(time.process_time() - start_s)
        nodes = len(table.nodes)
        exact += certificate.exact
        gaps.append(certificate.gap)
    print(
        f"{name:34} {nodes:6} {len(spent_s):6} {exact:6} {max(gaps):12.3%} {max(spent_s):7.2f}",
        flush=True,
    )


def _drawn(expanded: ExpandedGraph, engines: Mapping[str, Backend], seed: int) -> CostTable:
    draw = random.Random(seed)  # noqa: S311
    devices = tuple(
        replace(device, stage_s=draw.uniform(2e-6, 12e-6) if device.basis == "measured" else 0.0)
        for device in expanded.machine.devices
    )
    factor = {device.name: draw.uniform(0.6, 1.4) for device in devices}

    def run_s(node: Node, device: str) -> float:
        estimate = engines[device].estimate(node)
        if estimate is not None:
            return estimate.run_s
        touched = node.weight_bytes + sum(v.size_bytes for v in (*node.inputs, *node.outputs))
        base_s = node.flops / 3e10 + touched / 8e9 + 1e-6
        return base_s * factor[device] * draw.lognormvariate(0, 0.3)

    return CostTable(
        expanded.graph.name,
        replace(expanded.machine, devices=devices),
        tuple(_value(value, engines) for value in expanded.graph.values),
        tuple(
            NodeCosts(
                node.name,
                node.op,
                {device: run_s(node, device) for device in expanded.candidates[node.name]},
                tuple(value.name for value in node.inputs),
                tuple(value.name for value in node.outputs),
            )
            for node in expanded.graph.nodes
        ),
        tuple(Endpoint(value.name, HOST) for value in expanded.graph.inputs),
        tuple(Endpoint(value.name, HOST) for value in expanded.graph.outputs),
    )


def _value(value: Value, engines: Mapping[str, Backend]) -> ValueCosts:
    estimates = {
        Route(link.source, link.target): link.estimate(value)
        for engine in engines.values()
        for link in engine.links
    }
    transfer_s = {route: each.run_s for route, each in estimates.items() if each is not None}
    return ValueCosts(value.name, value.size_bytes, transfer_s)


if __name__ == "__main__":
    main()
