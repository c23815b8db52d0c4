"""Which copies have to be decided, and how many nodes have a say in each.

Whether value v is copied into memory m is

    settled  where v starts in m or is free there: no copy; where v must end in m, or a node reads
             it that runs nowhere else: its producer pays, unless it runs in m itself
    alone    where one node only might want it there: the pair of producer and reader decides
    shared   where several might: a yes/no variable decides, so that the copy is paid for once
"""

from dataclasses import dataclass

import numpy as np

from stagecut.passes.partition.exact.arrays import Columns
from stagecut.passes.partition.exact.factor_graph import Bools, Ints


@dataclass(frozen=True, slots=True)
class Copies:
    """R reads of values that have a producer.

    needed (V, M)    copied unless the producer runs there
    reads (2, R)     value and node
    alone (R, M)     whether the node alone may want the copy
    shared (R, M)    whether the node is one of several that may
    variable (2, C)  value and memory of each copy that several nodes may want
    """

    needed: Bools
    reads: Ints
    alone: Bools
    shared: Bools
    variable: Ints


def copies(table: Columns) -> Copies:
    memories = table.wanted.shape[1]
    fits = np.isfinite(table.run)
    can = np.stack([fits[:, table.memory == m].any(axis=1) for m in range(memories)], axis=1)
    only = can & (can.sum(axis=1, keepdims=True) == 1)
    produced = table.producer >= 0
    value, reader = reads = table.reads[:, produced[table.reads[0]]]
    needed = (table.wanted | (_counts(value, only[reader], len(produced)) > 0)) & produced[:, None]
    may = can[reader] & ~needed[value] & ~only[table.producer[value]]
    readers = _counts(value, may, len(produced))
    return Copies(
        needed=needed,
        reads=reads,
        alone=may & (readers[value] == 1),
        shared=may & (readers[value] > 1),
        variable=np.argwhere(readers > 1).T,
    )


def _counts(value: Ints, flags: Bools, values: int) -> Ints:
    """(V, M): by how many reads of each value the flag of each memory is set."""
    columns = [np.bincount(value[column], minlength=values) for column in flags.T]
    return np.stack(columns, axis=1)
