"""What the whole model takes on one device: the one figure that all parts of a report use."""

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.objective import parse_objective
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.transfers import scheduled
from stagecut.compiler.report.model.figures import Alone, Figure


def alone(planned: PlannedVariant, table: CostTable, device: str) -> Alone | None:
    """What the gate measured, else what the costs say; None where the device cannot run it all."""
    for contender in planned.contenders:
        if contender.single_device == device:
            return alone_of(contender)
    stages = (Stage(device, planned.schedule.order),) if planned.nodes else ()
    try:
        costs = account(table, scheduled(table, stages, parse_objective(planned.objective)))
    except StagecutError:  # it cannot run a node, or has no room, or no links lead there
        return None
    return Alone(Figure(costs.latency_s, costs.basis), "predicted")


def alone_of(contender: Contender) -> Alone:
    """The time of a contender that is one device."""
    total = Figure(contender.median_s, contender.basis)
    return Alone(total, "observed" if contender.accounting == "measured" else "predicted")
