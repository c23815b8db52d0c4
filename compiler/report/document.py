"""Report -> JSON, schema `stagecut.report/1`: the names of the fields are those of `content`."""

import json
from typing import Any

from pydantic import TypeAdapter

from stagecut.compiler.report.content import Report

SCHEMA = "stagecut.report/1"


def to_json(report: Report) -> str:
    """The whole report; times in seconds, sizes in bytes, names in full."""
    body: dict[str, Any] = TypeAdapter(Report).dump_python(report, mode="json")
    return json.dumps({"schema": SCHEMA, **body}, indent=1, ensure_ascii=False)
