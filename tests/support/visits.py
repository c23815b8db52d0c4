"""The report's page in a browser: the page of each sample, open, and what it did unasked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from stagecut.compiler.report.page.html import to_html
from tests.support.planned import Sample, report_of
from tests.support.planned_variants import (
    empty,
    free,
    hostile,
    large,
    long_names,
    mixed,
    one_node,
    two_transfers,
    wide,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLES = {
    "mixed": mixed(),
    "one node": one_node(),
    "no node": empty(),
    "hostile": hostile(),
    "long names": long_names(),
    "from nanoseconds to an hour": wide(),
    "no time": free(),
    "two transfers for one stage": two_transfers(),
    "large": large(800),
}


@dataclass
class Visit:
    """An open page, and everything it did that nobody asked for."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open: TypeAlias = Callable[..., Visit]


def html_of(sample: Sample) -> str:
    return to_html(report_of(sample))
