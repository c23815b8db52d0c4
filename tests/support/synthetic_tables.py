"""Synthetic cost tables of any size: residual transformer blocks, and graphs as wide as can be.

Values are numbered: 0 is the graph's input, i + 1 is what node i writes.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from random import Random

from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.machine import HOST, Device, Machine, Memory, Route

DEVICES = (
    Device("cpu.serial", HOST),
    Device("cpu.parallel", HOST),
    Device("pim", "pim"),
    Device("gpu", "gpu"),
)

#: A transformer block: each operator with the operators of the block that it reads, counted
#: from 1; 0 is the block's input, the last operator's output is the next block's.
BLOCK = (
    ("LayerNormalization", (0,)),
    ("MatMul", (1,)),
    ("MatMul", (1,)),
    ("MatMul", (1,)),
    ("Transpose", (3,)),
    ("MatMul", (2, 5)),
    ("Div", (6,)),
    ("Softmax", (7,)),
    ("MatMul", (8, 4)),
    ("MatMul", (9,)),
    ("Add", (0, 10)),
    ("LayerNormalization", (11,)),
    ("MatMul", (12,)),
    ("Gelu", (13,)),
    ("MatMul", (14,)),
    ("Add", (11, 15)),
)


def transformer(nodes: int, *, seed: int = 0, stage_s: float = 0.0) -> CostTable:
    """Residual blocks, one after the other; the last one may be cut short."""
    blocks = [divmod(index, len(BLOCK)) for index in range(nodes)]
    ops = [BLOCK[step][0] for _, step in blocks]
    reads = [
        tuple(block * len(BLOCK) + source for source in BLOCK[step][1]) for block, step in blocks
    ]
    return _table("transformer", ops, reads, seed, stage_s)


def tangle(nodes: int, *, seed: int = 0, fan_in: int = 4) -> CostTable:
    """Every node reads up to `fan_in` values from anywhere before it: the width is about n / 4."""
    random = Random(seed)  # noqa: S311
    reads = [tuple(random.choices(range(index + 1), k=fan_in)) for index in range(nodes)]
    return _table("tangle", ["Concat"] * nodes, reads, seed, 0.0)


def dense(nodes: int, *, seed: int = 0) -> CostTable:
    """Every node reads all earlier ones, as in a DenseNet block."""
    reads = [tuple(range(1, index + 1)) or (0,) for index in range(nodes)]
    return _table("dense", ["Concat"] * nodes, reads, seed, 0.0)


def ladder(width: int, length: int, *, seed: int = 0) -> CostTable:
    """`length` rows of `width` nodes, which read the node above and the one to their left."""
    reads = []
    for row in range(length):
        for column in range(width):
            node = row * width + column  # what it writes is value node + 1
            sides = [node - width + 1] * (row > 0) + [node] * (column > 0)
            reads.append(tuple(sides) or (0,))
    return _table("ladder", ["Add"] * len(reads), reads, seed, 0.0)


def _table(
    name: str, ops: Sequence[str], reads: Sequence[tuple[int, ...]], seed: int, stage_s: float
) -> CostTable:
    """4 devices in 3 memories; each but cpu.serial refuses one node in ten.

    Nodes take 10 to 400 µs and transfers 5 to 200 µs, all drawn on their own: harder than the real
    thing, where blocks repeat.
    """
    random = Random(seed)  # noqa: S311
    memories = tuple(dict.fromkeys(device.memory for device in DEVICES))
    routes = tuple(Route(*pair) for pair in permutations(memories, 2))
    nodes = tuple(
        NodeCosts(
            f"n{index}",
            op,
            {
                device.name: random.uniform(10e-6, 400e-6)
                for device in DEVICES
                if device is DEVICES[0] or random.random() < 0.9
            },
            tuple(f"v{source}" for source in sources),
            (f"v{index + 1}",),
        )
        for index, (op, sources) in enumerate(zip(ops, reads, strict=True))
    )
    values = tuple(
        ValueCosts(
            f"v{index}",
            random.choice((1 << 10, 1 << 16, 1 << 20)),
            {route: random.uniform(5e-6, 200e-6) for route in routes},
        )
        for index in range(len(nodes) + 1)
    )
    devices = tuple(replace(device, stage_s=stage_s) for device in DEVICES)
    return CostTable(
        f"{name}-{len(nodes)}",
        Machine(tuple(map(Memory, memories)), devices),
        values,
        nodes,
        inputs=(Endpoint("v0", HOST),),
        outputs=(Endpoint(f"v{len(nodes)}", HOST),),
    )
