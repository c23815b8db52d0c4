"""Why a stream lets more through than replicas of the whole model, where one does.

On equal cores, with costs that add up and nothing to transfer or to keep to, no pipeline is faster
than replicas of the whole: each input needs the same core-seconds, whoever spends them. So where
one is, at least one of these has to hold.
"""

import math
from collections.abc import Iterator, Sequence

from stagecut.compiler.ir.costs import CostTable
from stagecut.passes.gate.stream_contenders import StreamProposal

#: What is no more than this part is noise.
_NOISE = 0.02


def reason(table: CostTable, chosen: StreamProposal, wholes: Sequence[StreamProposal]) -> str:
    """What made the pipeline `chosen` win over `wholes`, by the costs; empty for one stage."""
    if len(chosen.stream.schedule.stages) < 2:
        return ""
    found = [*_reasons(table, chosen, wholes)]
    return f"a pipeline, for {' and '.join(found)}" if found else ""


def _reasons(
    table: CostTable, chosen: StreamProposal, wholes: Sequence[StreamProposal]
) -> Iterator[str]:
    devices = [table.machine.device(stage.device) for stage in chosen.stream.schedule.stages]
    if len({device.keeps_busy for device in devices}) > 1:
        yield "it uses resources that no single device has"
    if len({(device.keeps_busy, device.cores) for device in devices}) > len(
        {device.keeps_busy for device in devices}
    ):
        yield "its stages scale differently with threads"
    if len({(device.keeps_busy, device.cores, device.name) for device in devices}) > len(
        {(device.keeps_busy, device.cores) for device in devices}
    ):
        yield "each stage runs on the engine that is best at it"
    if not wholes:
        yield "no device can run the whole model"
    for whole in wholes:
        [device] = {stage.device for stage in whole.stream.schedule.stages}
        if {each.name for each in devices} == {device}:
            cut_s = math.fsum(load.call_s for load in chosen.account.stages)
            whole_s = math.fsum(load.call_s for load in whole.account.stages)
            if cut_s < (1 - _NOISE) * whole_s:
                yield "its stages take less than the whole in one: their weights stay in caches"
