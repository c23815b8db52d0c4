"""The plan file: what it holds, that it is ordinary ONNX, and that it says the same twice."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.archive import ArchiveWriter, write_archive
from stagecut.compiler.formats.plan_file import write_plan
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.checks import OutputDifference
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.plan import PlanDocument, PlannedEntry
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import Session
from tests.support.onnx_models import MODELS
from tests.support.reference import run_reference
from tests.support.resealed import resealed
from tests.support.scattered import costs_of, expand, scattered

DEVICES = ("cpu.serial", "cpu.parallel")


def _compiled(seed: int = 0) -> Plan:
    return compile_model("zoo:tiny-mlp", devices=DEVICES, costs=scattered(seed))


def test_a_plan_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    plan = _compiled()
    plan.save(tmp_path / "x.plan")
    loaded = Plan.load(tmp_path / "x.plan")
    assert loaded.document == plan.document
    assert loaded.first.costs == plan.first.costs
    assert loaded.certificate == plan.certificate


def test_an_output_that_is_off_without_bound_comes_back(tmp_path: Path) -> None:
    plan = _compiled()
    name = plan.first.planned.outputs[0].name
    endless = (OutputDifference(name, max_abs=float("inf"), relative=float("inf"), cosine=None),)
    files = {name: plan.archive.read(name) for name in plan.archive.names() if name != "plan.json"}
    variants = (replace(plan.first.planned, accuracy=endless),)
    document = PlanDocument({"main": PlannedEntry(variants)})
    write_plan(ArchiveWriter(tmp_path / "x.plan"), document, files, folder=None)
    assert Plan.load(tmp_path / "x.plan").first.planned.accuracy == endless


def test_compiling_twice_from_one_cost_table_gives_the_same_bytes() -> None:
    one, two = _compiled(), _compiled()
    assert one.archive.path.read_bytes() == two.archive.path.read_bytes()


def test_a_plan_runs_without_being_saved_and_takes_its_folder_with_it() -> None:
    plan = _compiled()
    path = plan.archive.path
    session = Session(plan)
    feeds = {each.name: np.ones(each.shape, np.float32) for each in plan.first.planned.inputs}
    assert session.run(None, feeds)
    del plan, session
    assert not path.exists()


def test_a_plan_that_was_never_saved_gets_a_second_name_when_it_is(tmp_path: Path) -> None:
    settings = Settings(scratch=tmp_path)
    plan = compile_model("zoo:tiny-mlp", devices=DEVICES, costs=scattered(0), settings=settings)
    plan.save(tmp_path / "x.plan")
    assert (tmp_path / "x.plan").samefile(plan.archive.path)


def test_a_plan_runs_under_another_name_in_another_folder(tmp_path: Path) -> None:
    plan = _compiled()
    plan.save(tmp_path / "x.plan")
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "x.plan").rename(tmp_path / "elsewhere" / "y with spaces.plan")
    feeds = {each.name: np.ones(each.shape, np.float32) for each in plan.first.planned.inputs}
    [expected] = Session(plan).run(None, feeds)
    [found] = Session(moved).run(None, feeds)
    np.testing.assert_array_equal(found, expected)


def test_an_unpacked_plan_is_a_folder_of_onnx_models(tmp_path: Path) -> None:
    _compiled().save(tmp_path / "x.plan")
    with zipfile.ZipFile(tmp_path / "x.plan") as archive:
        archive.extractall(tmp_path)
    document = json.loads((tmp_path / "plan.json").read_text())
    assert document["schema"] == "stagecut.plan/2"
    [variant] = document["entries"]["main"]["variants"]
    for stage in variant["run"]["stages"]:
        ort.InferenceSession(tmp_path / stage["file"])


def test_weights_are_stored_once_and_not_in_the_stages() -> None:
    plan = _compiled()
    weights = plan.archive.read("weights.bin")
    for stage in plan.first.planned.stages:
        assert len(plan.archive.read(stage.file)) < 4096
    assert len(weights) >= sum(node.weight_bytes for node in plan.first.planned.nodes) * 0.9


def test_a_plan_without_one_of_its_members_is_refused(tmp_path: Path) -> None:
    plan = _compiled()
    members = {name: plan.archive.read(name) for name in plan.archive.names()}
    del members["weights.bin"]
    write_archive(tmp_path / "x.plan", members)
    with pytest.raises(PlanError, match="does not hold the members"):
        Plan.load(tmp_path / "x.plan")


def test_a_plan_with_another_member_than_it_lists_is_refused(tmp_path: Path) -> None:
    plan = _compiled()
    members = {name: plan.archive.read(name) for name in plan.archive.names()}
    write_archive(tmp_path / "x.plan", {**members, "weights.bin": bytes(10_000)})
    with pytest.raises(PlanError, match=r"is not what plan.json has the SHA-256 of") as error:
        Plan.load(tmp_path / "x.plan")
    assert error.value.where == f"{tmp_path / 'x.plan'}: weights.bin"


def test_a_document_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    plan = _compiled()
    members = {name: plan.archive.read(name) for name in plan.archive.names()}
    text = members["plan.json"].replace(b'"objective":', b'"objective": "energy",\n"objective":', 1)
    write_archive(tmp_path / "x.plan", {**members, "plan.json": text})
    with pytest.raises(PlanError, match=r"has two values, at entries.main.variants\[0\].objective"):
        Plan.load(tmp_path / "x.plan")


def test_plans_of_the_first_schema_are_to_be_compiled_again(tmp_path: Path) -> None:
    write_archive(tmp_path / "x.plan", {"plan.json": b'{"schema": "stagecut.plan/1"}'})
    with pytest.raises(PlanError, match=r"has schema 'stagecut.plan/1'; this version") as error:
        Plan.load(tmp_path / "x.plan")
    assert error.value.fix.startswith("compile the model again")


def test_a_program_that_is_none_is_refused(tmp_path: Path) -> None:
    path = _with_program(tmp_path, b"no model")
    with pytest.raises(PlanError, match="is no ONNX model") as error:
        Session(path)
    assert error.value.where == f"{path}: stage-000.onnx"


@pytest.mark.parametrize(
    ("key", "entry"), [("offset", "1000000"), ("location", "/etc/passwd"), ("location", "x.bin")]
)
def test_weights_that_lie_elsewhere_are_refused(key: str, entry: str, tmp_path: Path) -> None:
    model = onnx.load_model_from_string(_compiled().archive.read("stage-000.onnx"))
    [place, *_] = [
        weight.external_data for weight in model.graph.initializer if weight.external_data
    ]
    for pair in place:
        pair.value = entry if pair.key == key else pair.value
    path = _with_program(tmp_path, model.SerializeToString())
    with pytest.raises(PlanError, match=r"lies outside of weights.bin"):
        Session(path)


def _with_program(folder: Path, program: bytes) -> Path:
    """A plan with this as its first program."""
    return resealed(folder / "x.plan", _compiled().archive, {"stage-000.onnx": program})


def test_no_path_of_this_machine_gets_into_a_plan(tmp_path: Path) -> None:
    _compiled().save(tmp_path / "x.plan")
    content = (tmp_path / "x.plan").read_bytes()
    for path in (str(Path.cwd()), str(Path.home()), str(tmp_path), "site-packages"):
        assert path.encode() not in content


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_awkward_model_survives_being_cut(name: str, seed: int) -> None:
    program = load_program(MODELS[name].proto(), shapes=MODELS[name].shapes)
    costs = costs_of(expand(program, DEVICES, "op"), seed)
    plan = compile_model(
        program.model, feeds=program.feeds, devices=DEVICES, costs=costs, granularity="op"
    )
    found = Session(plan).run(None, program.feeds)
    for ours, theirs in zip(found, run_reference(program.model, program.feeds), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_notebook_shows_the_contenders() -> None:
    plan = _compiled()
    shown = plan._repr_html_()
    contenders = plan.first.planned.contenders
    assert shown.count("<tr>") == 1 + len(contenders)
    assert shown.count("<td>ships</td>") == 1
    assert all(f"<td>{contender.name}</td>" in shown for contender in contenders)
