"""Time against error: the plans that there are to choose from where precision is a choice.

time |     2                    1 2 3   by the costs, their errors measured or predicted
     |  o      1                o       plans that the gate ran
     +--------------- error
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.compiler.report import precision_wording, wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.page.offers import Offer, OfferDrawing, offers


@dataclass(frozen=True, slots=True)
class Trade:
    """`what` is the plan's name, or what runs where."""

    time: Figure
    error: float
    what: str


def errors(report: Report) -> OfferDrawing[Trade]:
    """`more` are plans that were run beside the one that ships, `other` those by costs alone."""
    return offers([*_plans(report)], wording.percent_of)


def _plans(report: Report) -> Iterator[Offer[Trade]]:
    precision = report.precision
    if precision is None or not precision.front:
        return
    for contender in report.contenders:
        known = precision.of(contender.name)
        if known is not None and contender.accounting == "measured":
            time = Figure(contender.median_s, contender.basis)
            kind = "chosen" if contender.chosen else "more"
            trade = Trade(time, known.error, contender.name)
            yield _offer(kind, trade, f"{wording.percent_of(known.error)} off")
    for point in precision.front:
        time = Figure(point.run_s, point.basis)
        trade = Trade(time, point.error, precision_wording.nodes_on(point))
        yield _offer("other", trade, precision_wording.off(point))


def _offer(kind: str, trade: Trade, off: str) -> Offer[Trade]:
    title = f"{trade.what}: {wording.time(trade.time)}, {off}"
    return Offer(trade, kind, trade.error, trade.time.time_s, title)
