"""The roofline: dots under their roofs, known roofs full, others as high as was seen."""

import re
from dataclasses import replace

import pytest

from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.page.html import to_html
from stagecut.compiler.report.page.roofline import roofline
from tests.support.planned import report_of
from tests.support.planned_variants import empty, mixed

ALIKE = re.compile(r"and (\d+) like it")


def _report() -> Report:
    return report_of(mixed())


def test_every_node_with_work_is_in_a_dot_inside_the_drawing() -> None:
    report = _report()
    drawn = roofline(report)
    others = [int(found[1]) for dot in drawn.dots if (found := ALIKE.search(dot.title))]
    assert len(drawn.dots) + sum(others) == sum(1 for node in report.nodes if node.flops)
    assert all(0 <= dot.x <= 100 and 0 <= dot.y <= 100 for dot in drawn.dots)


def test_no_dot_is_above_the_roof_that_was_seen() -> None:
    report = _report()
    for roof in roofline(report).roofs:
        assert roof.seen
        slope, flat = roof.lines
        assert (slope.x2, slope.y2) == pytest.approx((flat.x1, flat.y1))
        own = [dot for dot in roofline(report).dots if roof.style.startswith(dot.style.split()[0])]
        assert own
        assert min(dot.y for dot in own) >= flat.y1 - 1e-9


def test_a_known_peak_is_the_roof() -> None:
    report = _report()
    devices = tuple(
        replace(device, peak_flop_per_s=1e13, peak_bytes_per_s=1e12) for device in report.devices
    )
    drawn = roofline(replace(report, devices=devices))
    assert not any(roof.seen for roof in drawn.roofs)
    assert all("10.0 TFLOP/s" in roof.label for roof in drawn.roofs)


def test_without_work_there_is_no_drawing() -> None:
    report = report_of(empty())
    assert roofline(report).dots == ()
    assert 'id="roofline"' not in to_html(report)
