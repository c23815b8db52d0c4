"""A host and accelerators that are alike, each in a memory of its own."""

from dataclasses import replace

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Memory
from tests.support.tables import cost_table

MEMORIES = {"cpu": "host", "acc.0": "m0", "acc.1": "m1"}
STAR = {"host>m0": 2, "m0>host": 2, "host>m1": 2, "m1>host": 2}

CHAIN = """
a   : cpu 9, acc.0 1, acc.1 1
b(a): cpu 9, acc.0 1, acc.1 1
c(b): cpu 2, acc.0 3, acc.1 3
d(c): cpu 9, acc.0 1, acc.1 1
e(d): cpu 9, acc.0 1, acc.1 1
"""


def star(nodes: str, *rooms: int, transfer_us: float = 2) -> CostTable:
    """An accelerator for each of `rooms`, in bytes; each node weighs 1 byte."""
    devices = {"cpu": "host"} | {f"acc.{at}": f"m{at}" for at in range(len(rooms))}
    ways = [way for at in range(len(rooms)) for way in (f"host>m{at}", f"m{at}>host")]
    drawn = cost_table(nodes, devices=devices, transfer_us=dict.fromkeys(ways, transfer_us))
    memories = (Memory("host"), *(Memory(f"m{at}", room) for at, room in enumerate(rooms)))
    return replace(
        drawn,
        machine=replace(drawn.machine, memories=memories),
        nodes=tuple(replace(node, weight_bytes=1) for node in drawn.nodes),
    )
