"""Report and Difference -> JSON; the names of the fields are those of their classes.

The schema of the report, `stagecut.report/3`, is written down in docs/report-schema.json.
"""

import json
from collections.abc import Mapping
from typing import Any

from stagecut.compiler.formats.type_adapters import adapter_of
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.difference import Difference

SCHEMA = "stagecut.report/3"
DIFFERENCE_SCHEMA = "stagecut.diff/2"

#: Whether plans differ, and whether they do so in any decision.
_VERDICTS = ("differs", "decided_otherwise")


def to_json(report: Report) -> str:
    """The whole report; times in seconds, sizes in bytes, names in full."""
    body: dict[str, Any] = adapter_of(Report).dump_python(report, mode="json")
    return json.dumps({"schema": SCHEMA, **body}, indent=1)


def json_schema() -> str:
    """What `to_json` writes, as JSON Schema 2020-12: every field is there, and no other."""
    schema = adapter_of(Report).json_schema(mode="serialization")
    for record in (schema, *schema["$defs"].values()):
        record["required"] = list(record["properties"])
        record["additionalProperties"] = False
    schema["required"].insert(0, "schema")
    schema["properties"] = {"schema": {"const": SCHEMA}, **schema["properties"]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA}
    return json.dumps({**head, **schema}, indent=1, ensure_ascii=False)


def difference_json(differences: Mapping[str | None, Difference], tolerance: float) -> str:
    """The difference of two plans, schema `stagecut.diff/2`; `differs` is for this tolerance. Of
    several entries, that of the first one, with all of them as `entries`: but whether plans differ
    is of any."""
    found = [_difference(each, tolerance) for each in differences.values()]
    document = {"schema": DIFFERENCE_SCHEMA, **found[0]}
    if len(found) > 1:
        document |= {key: any(each[key] for each in found) for key in _VERDICTS}
        document["entries"] = {
            name or "": each for name, each in zip(differences, found, strict=True)
        }
    return json.dumps(document, indent=1)


def _difference(difference: Difference, tolerance: float) -> dict[str, Any]:
    body: dict[str, Any] = adapter_of(Difference).dump_python(difference, mode="json")
    verdicts = (difference.differs(tolerance), difference.decided_otherwise)
    return {**dict(zip(_VERDICTS, verdicts, strict=True)), **body}
