"""A report of a plan through which inputs stream, and of other streams to choose from."""

from dataclasses import replace

from stagecut.compiler.ir.hosts_stream import Place
from stagecut.compiler.ir.planned_stream import FrontPoint
from stagecut.compiler.report.model.content import Report, Streaming
from stagecut.compiler.report.model.figures import Figure
from tests.support.planned import report_of
from tests.support.planned_variants import mixed


def report_of_a_stream(*points: FrontPoint, another: FrontPoint | None = None) -> Report:
    report = report_of(mixed())
    stream = Streaming(
        ((2, "one"),),
        (1,),
        Figure(0.1, "measured"),
        (1.0,),
        "why not",
        another,
        points,
        "processes",
        ("2 inputs in a call: slower",),
        3,
        2,
        1_234,
        ((Place("one", 2),),),
        (),
    )
    summary = replace(report.summary, streaming=stream, predicted=Figure(0.01, "measured"))
    return replace(report, summary=summary)
