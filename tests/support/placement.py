"""Workloads for placement as they are published, and their optimum by the paper's own definition.

`BERT_24` is `throughput-inputs/LayerGraphs/bert24_inference.json` of msr-fiddle/dnn-partitioning
(MIT licence, (c) Microsoft Corporation), without what says nothing about it.
"""

from functools import cache
from math import inf
from random import Random
from typing import Any

_LAYERS_MS = (
    *(3.598, 3.608, 3.584, 3.576, 3.576, 3.621, 3.616, 3.58, 3.698, 3.6, 3.566, 3.55),
    *(3.608, 3.539, 3.54, 3.541, 3.597, 3.541, 3.547, 3.542, 3.559, 3.552, 3.557, 3.59),
)
_LAYERS = range(5, 29)


def _bert_24() -> dict[str, Any]:
    takes_ms = {3: 0.696, 29: 0.169, 30: 5.655} | dict(zip(_LAYERS, _LAYERS_MS, strict=True))
    size = {3: 131325952, 29: 4206592, 30: 254373120, 31: 125018112, 32: 16}
    size |= dict.fromkeys(_LAYERS, 54579200)
    small, large = 0.001953125, 0.05821610242128372
    edges = [(1, 3, 0.0), (2, 3, 0.0), (3, 5, small)]
    edges += [(layer, layer + 1, small) for layer in range(5, 29)]
    edges += [(4, layer, 0.0) for layer in _LAYERS]
    edges += [(28, 30, small), (29, 30, 3.814697265625e-06), (30, 31, large), (30, 32, large)]
    return {
        "maxSizePerFPGA": 17185374208.0,
        "maxFPGAs": 6,
        "maxCPUs": 1,
        "nodes": [
            {
                "name": f"node{at}",
                "id": at,
                "supportedOnFpga": 1,
                "cpuLatency": 10 * takes_ms.get(at, 0.0),
                "fpgaLatency": takes_ms.get(at, 0.0),
                "isBackwardNode": 0,
                "colorClass": at,
                "size": float(size.get(at, 0)),
            }
            for at in range(1, 33)
        ],
        "edges": [{"sourceId": a, "destId": b, "cost": cost} for a, b, cost in edges],
    }


BERT_24 = _bert_24()


def random_workload(seed: int) -> dict[str, Any]:
    """Up to six nodes, some of one colour, some for CPUs alone, and little room."""
    random = Random(seed)  # noqa: S311
    count = random.randint(1, 6)
    nodes: list[dict[str, Any]] = []
    for at in range(count):
        node = {
            "id": at,
            "supportedOnFpga": random.random() < 0.8,
            "cpuLatency": random.randint(0, 20),
            "fpgaLatency": random.randint(0, 9),
            "isBackwardNode": False,
            "size": float(random.randint(0, 5)),
        }
        if random.random() < 0.4:
            node["colorClass"] = random.randint(0, 2)
        nodes.append(node)
    cost = [random.randint(0, 3) for _ in range(count)]
    return {
        "maxSizePerFPGA": random.choice([8.0, 100.0]),
        "maxFPGAs": random.randint(0, 3),
        "maxCPUs": random.randint(1, 2),
        "nodes": nodes,
        "edges": [
            {"sourceId": a, "destId": b, "cost": cost[a]}
            for b in range(count)
            for a in range(b)
            if random.random() < 0.4
        ],
    }


def least_load(workload: dict[str, Any]) -> float:
    """The least that the busiest device takes for an input, over all ways to give accelerators and
    CPUs one contiguous part each; in the workload's unit."""
    nodes = {node["id"]: node for node in workload["nodes"]}
    edges = [(edge["sourceId"], edge["destId"]) for edge in workload["edges"]]
    cost = {edge["sourceId"]: edge["cost"] for edge in workload["edges"]}
    needs: dict[int, list[int]] = {at: [a for a, b in edges if b == at] for at in nodes}

    def ideals_above(done: frozenset[int]) -> set[frozenset[int]]:
        found, level = set[frozenset[int]](), {done}
        while level:
            level = {
                some | {at}
                for some in level
                for at in nodes
                if at not in some and all(need in some for need in needs[at])
            }
            found |= level
        return found

    def keeps_colours(part: frozenset[int]) -> bool:
        colours = {nodes[at].get("colorClass") for at in part} - {None}
        return all(
            node.get("colorClass") not in colours or at in part for at, node in nodes.items()
        )

    def load(part: frozenset[int]) -> float:
        """On an accelerator."""
        size = sum(nodes[at]["size"] for at in part)
        if size > workload["maxSizePerFPGA"] or not all(
            nodes[at]["supportedOnFpga"] for at in part
        ):
            return inf
        crossing = {a for a, b in edges if (a in part) != (b in part)}
        return float(
            sum(nodes[at]["fpgaLatency"] for at in part) + sum(cost[at] for at in crossing)
        )

    @cache
    def least(done: frozenset[int], accelerators: int, cpus: int) -> float:
        if len(done) == len(nodes):
            return 0.0
        best = inf
        for end in ideals_above(done):
            part = end - done
            if not keeps_colours(part):
                continue
            if accelerators:
                rest = least(end, accelerators - 1, cpus)
                best = min(best, max(load(part), rest))
            if cpus:
                rest = least(end, accelerators, cpus - 1)
                best = min(best, max(sum(nodes[at]["cpuLatency"] for at in part), rest))
        return best

    return least(frozenset(), workload["maxFPGAs"], workload["maxCPUs"])
