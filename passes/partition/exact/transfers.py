"""Which transfers have to be decided, and by how many nodes.

Whether value v is transferred into memory m is

    implied   where v must end in m, or a node reads it that can run in no other memory: it depends
              on the producer alone, which pays unless it runs in m itself
    pairwise  where one node only might want it there: the pair of producer and reader decides
    shared    where several might: a yes/no variable decides, so that it is paid for once
    held      where v is shared in several memories, or may go by way of other memories, which hold
              it then, too: a variable for the set of memories that hold v decides, so that each
              step is paid for once
"""

from dataclasses import dataclass

import numpy as np

from stagecut.passes.partition.exact.arrays import TableArrays
from stagecut.passes.partition.exact.factor_graph import Bools, Ints

#: Up to so many memories, one variable for the set of holders is smaller than one for each memory.
_FEW_MEMORIES = 4


@dataclass(frozen=True, slots=True)
class Transfers:
    """R reads of values that have a producer.

    implied (V, M)    transferred unless the producer runs there
    reads (2, R)      value and node
    pairwise (R, M)   whether the node alone may want the transfer
    shared (R, M)     whether the node is one of several that may
    variable (2, C)   value and memory of each transfer that several nodes may want
    held (H,)         the values for which the set of their holders is decided
    """

    implied: Bools
    reads: Ints
    pairwise: Bools
    shared: Bools
    variable: Ints
    held: Ints


def transfers_of(table: TableArrays) -> Transfers:
    memories = table.wanted.shape[1]
    runnable = np.isfinite(table.run)
    can = np.stack([runnable[:, table.memory == m].any(axis=1) for m in range(memories)], axis=1)
    only = can & (can.sum(axis=1, keepdims=True) == 1)
    produced = table.producer >= 0
    value, reader = reads = table.reads[:, produced[table.reads[0]]]
    wants = table.wanted | (_counts(value, only[reader], len(produced)) > 0)
    may = can[reader] & ~wants[value] & ~only[table.producer[value]]
    sharing = _counts(value, may, len(produced)) > 1
    possible = table.wanted | (_counts(value, can[reader], len(produced)) > 0)
    held = _relayed(table, possible & produced[:, None], can)
    if memories <= _FEW_MEMORIES:
        held |= produced & (sharing.sum(axis=1) > 1)
    own = produced & ~held
    may &= own[value, None]
    readers = _counts(value, may, len(produced))
    return Transfers(
        implied=wants & own[:, None],
        reads=reads,
        pairwise=may & (readers[value] == 1),
        shared=may & (readers[value] > 1),
        variable=np.argwhere(readers > 1).T,
        held=np.flatnonzero(held),
    )


def _relayed(table: TableArrays, possible: Bools, can: Bools) -> Bools:
    """(V,): whether some transfer of the value might go by way of another memory."""
    source = np.arange(table.wanted.shape[1])[None, :, None]
    stops = (table.before != source) & np.isfinite(table.transfer)
    if not stops.any():
        return np.zeros(len(possible), dtype=np.bool_)
    starts = can[np.maximum(table.producer, 0)]
    found: Bools = (stops & starts[:, :, None] & possible[:, None, :]).any(axis=(1, 2))
    return found


def _counts(value: Ints, flags: Bools, values: int) -> Ints:
    """(V, M): by how many reads of each value the flag of each memory is set."""
    columns = [np.bincount(value[column], minlength=values) for column in flags.T]
    return np.stack(columns, axis=1)
