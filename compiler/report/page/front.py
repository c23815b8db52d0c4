"""Throughput against latency: the streams that there are to choose from, by the costs.

latency |              3        1   this plan
        |        2              2   sooner done, and slower
        |                       3   with another core
        +------------- inputs/s
"""

from collections.abc import Iterator

from stagecut.compiler.ir.planned_stream import FrontPoint
from stagecut.compiler.report import stream_wording
from stagecut.compiler.report.model.content import Report, Streaming, Summary
from stagecut.compiler.report.page.offers import Offer, OfferDrawing, offers

_NAMES = {"chosen": "this plan", "other": "sooner done", "more": "with another core"}


def front(report: Report) -> OfferDrawing[FrontPoint]:
    """Empty, too, where a stream takes no time."""
    stream = report.summary.streaming
    found = [] if stream is None else [*_points(report.summary, stream)]
    if not all(point.period_s for _, point in found):
        return OfferDrawing()
    return offers(
        [
            Offer(
                point,
                kind,
                1 / point.period_s,
                point.latency_s,
                f"{_NAMES[kind]}: {stream_wording.trade(point)}",
            )
            for kind, point in found
        ],
        "{:g}".format,
    )


def _points(summary: Summary, stream: Streaming) -> Iterator[tuple[str, FrontPoint]]:
    period, latency = summary.predicted, stream.latency
    stages = " > ".join(" + ".join(map(str, places)) for places in stream.places)
    yield "chosen", FrontPoint(period.time_s, latency.time_s, stages, period.basis)
    for point in stream.front:
        yield "other", point
    if stream.another is not None:
        yield "more", stream.another
