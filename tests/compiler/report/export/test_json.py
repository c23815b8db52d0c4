"""The JSON of reports, as docs/report-schema.json has it, and of differences."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stagecut.compiler.report.export.json import difference_json, json_schema, to_json
from stagecut.compiler.report.model.difference import compare
from tests.support.planned import Sample, report_of
from tests.support.planned_variants import (
    cpu_only,
    empty,
    hostile,
    large,
    mixed,
    never_run,
    one_node,
    overruled,
    relayed,
    without_pim,
)

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the dev extra")

SCHEMA_FILE = Path(__file__).parents[4] / "docs" / "report-schema.json"
SAMPLES = {
    "a plan that is not the optimum": overruled(),
    "a plan that was never run": never_run(),
    "a plan with a relay": relayed(),
    "a mixed plan": mixed(),
    "a plan on the CPU alone": cpu_only(),
    "a plan of one node": one_node(),
    "a plan of no node": empty(),
    "a plan with hostile names": hostile(),
    "a plan of 200 nodes": large(200),
}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


def text_of(sample: Sample) -> str:
    return to_json(report_of(sample))


def validate(document: object) -> None:
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)


def test_the_published_schema_is_that_of_the_code() -> None:
    """After a change: `python -c "from stagecut.compiler.report.export.json import json_schema;
    print(json_schema())" > docs/report-schema.json`; a change of meaning needs a new version."""
    assert SCHEMA_FILE.read_text("utf-8") == json_schema() + "\n"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(json_schema()))


@every_sample
def test_every_report_fits_the_schema(sample: Sample) -> None:
    validate(json.loads(text_of(sample)))


@every_sample
def test_it_says_everything_and_twice_the_same(sample: Sample) -> None:
    document = json.loads(text_of(sample))
    assert document["schema"] == "stagecut.report/3"
    assert [node["name"] for node in document["nodes"]] == [n.name for n in sample.planned.nodes]
    assert document["summary"]["predicted"]["time_s"] == sample.planned.account.latency_s
    assert [(row["value"], row["source"], row["target"]) for row in document["transfers"]] == [
        (step.value, *step.route) for step in sample.planned.schedule.transfers
    ]
    assert text_of(sample) == text_of(sample)


BREAKAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another schema": lambda document: document.update(schema="stagecut.report/1"),
    "a field too few": lambda document: document["summary"].pop("predicted"),
    "a field too many": lambda document: document["nodes"][0].update(colour="red"),
    "a time without its basis": lambda document: document["nodes"][0]["run"].pop("basis"),
    "an unknown basis": lambda document: document["nodes"][0]["run"].update(basis="guessed"),
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES.keys())
def test_a_broken_report_does_not_fit(breakage: Callable[[dict[str, Any]], object]) -> None:
    document = copy.deepcopy(json.loads(text_of(mixed())))
    breakage(document)
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_what_is_proved_and_what_ships_are_told() -> None:
    summary = json.loads(text_of(overruled()))["summary"]
    assert summary["shipped"] == {
        "kind": "single",
        "device": "cpu.parallel",
        "name": "cpu.parallel",
        "is_optimum": False,
        "single_device": "cpu.parallel",
    }
    assert summary["certificate"]["scope"] == "all schedules"
    assert summary["certificate"]["claim"] == "optimal: no other schedule costs less"
    assert summary["overruled"]["observed"]["total"] == {"time_s": 2e-3, "basis": "modelled"}


def test_a_difference() -> None:
    found = compare(mixed().planned, without_pim().planned)
    document = json.loads(difference_json({None: found}, 0.05))
    assert document["schema"] == "stagecut.diff/2"
    assert document["decided_otherwise"] is True
    assert document["moves"][0] == {
        "node": "up",
        "op": "MatMul",
        "before": "pim.hbm",
        "after": "cpu.parallel",
    }
    assert document["transfers_gone"][0] == {
        "value": "norm1",
        "source": "host",
        "target": "pim.hbm",
    }
    assert document["stages_gone"][1] == {"device": "pim.hbm", "nodes": ["up", "relu", "down"]}
    assert document["times"][0]["source"] == "observed"


def test_plans_differ_where_any_entry_does() -> None:
    same = compare(mixed().planned, mixed().planned)
    other = compare(mixed().planned, without_pim().planned)
    document = json.loads(difference_json({"decode": same, "prefill": other}, 0.05))
    assert (document["differs"], document["decided_otherwise"]) == (True, True)
    assert document["moves"] == []
    assert [each["differs"] for each in document["entries"].values()] == [False, True]
    document = json.loads(difference_json({"decode": same, "prefill": same}, 0.05))
    assert (document["differs"], document["decided_otherwise"]) == (False, False)
