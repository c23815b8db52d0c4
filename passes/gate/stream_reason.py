"""What a pipeline has that replicas of the whole model have not, where a pipeline ships.

On equal cores, with costs that add up and nothing to transfer or to keep to, no pipeline is faster
than replicas of the whole: each input needs the same core-seconds, whoever spends them. So where
one is, at least one of these has to hold; which of them it is that counts is not said.
"""

import math
from collections.abc import Iterator, Sequence

from stagecut.compiler.ir.costs import CostTable
from stagecut.passes.gate.stream_contenders import StreamProposal

#: What is no more than this part is noise.
_NOISE = 0.02


def reason(table: CostTable, chosen: StreamProposal, wholes: Sequence[StreamProposal]) -> str:
    """What sets the pipeline `chosen` apart from `wholes`, those that took part; empty for one
    stage."""
    if len(chosen.stream.schedule.stages) < 2:
        return ""
    found = [*_reasons(table, chosen, wholes)]
    return f"a pipeline, as {' and '.join(found)}" if found else ""


def _reasons(
    table: CostTable, chosen: StreamProposal, wholes: Sequence[StreamProposal]
) -> Iterator[str]:
    devices = [table.machine.device(stage.device) for stage in chosen.stream.schedule.stages]
    resources = {device.keeps_busy for device in devices}
    if len(resources) > 1:
        yield "it uses more than one resource"
    if any(
        len({each.cores for each in devices if each.keeps_busy == one}) > 1 for one in resources
    ):
        yield "its stages run on different numbers of threads"
    elif len({device.name for device in devices}) > len(resources):
        yield "its stages run on different engines"
    able = [
        device.name
        for device in table.machine.devices
        if all(device.name in node.run_s for node in table.nodes)
    ]
    if not able:
        yield "no device may run the whole model"
    elif not wholes:
        yield "no replica of the whole keeps to the limits, or is right"
    for whole in wholes:
        if {each.name for each in devices} == {whole.id.device}:
            cut_s = math.fsum(load.call_s for load in chosen.account.stages)
            whole_s = math.fsum(load.call_s for load in whole.account.stages)
            if cut_s < (1 - _NOISE) * whole_s:
                yield "its stages take less, one after the other, than the whole in one"
