"""Report -> JSON, schema `stagecut.report/1`: the names of the fields are those of `content`.

The schema is written down in docs/report-schema.json.
"""

import json
from typing import Any

from pydantic import TypeAdapter

from stagecut.compiler.report.content import Report

SCHEMA = "stagecut.report/1"


def to_json(report: Report) -> str:
    """The whole report; times in seconds, sizes in bytes, names in full."""
    body: dict[str, Any] = TypeAdapter(Report).dump_python(report, mode="json")
    return json.dumps({"schema": SCHEMA, **body}, indent=1, ensure_ascii=False)


def json_schema() -> str:
    """What `to_json` writes, as JSON Schema 2020-12: every field is there, and no other."""
    schema = TypeAdapter(Report).json_schema(mode="serialization")
    for record in (schema, *schema["$defs"].values()):
        record["required"] = list(record["properties"])
        record["additionalProperties"] = False
    schema["required"].insert(0, "schema")
    schema["properties"] = {"schema": {"const": SCHEMA}, **schema["properties"]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA}
    return json.dumps({**head, **schema}, indent=1, ensure_ascii=False)
