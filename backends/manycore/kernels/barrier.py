"""The hardware barrier of a cluster.

    core 0  |.....work.....|b|          all go on three cycles after the last has come [rtl]
    core 1  |..work..|.......|
    DMA     |....|...........|

The barrier of all clusters, before partial sums are added up, is taken to be as fast [guess].
"""

from stagecut.backends.manycore.chip import Chip


def barrier(chip: Chip) -> int:
    return chip.streams.barrier
