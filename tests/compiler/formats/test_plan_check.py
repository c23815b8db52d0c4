"""Plans whose parts do not fit together are refused when they are loaded, with the place."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagecut.compiler.formats.archive import Archive, ArchiveWriter, write_archive
from stagecut.compiler.formats.plan_file import Plan, write_plan
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.plan import PlanDocument, PlannedEntry, PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from tests.support.planned_variants import mixed, one_node

Change = Callable[[dict[str, Any]], object]


def _write(path: Path, *variants: PlannedVariant) -> None:
    """A plan with nothing in its members but the document."""
    files = {stage.file: b"" for variant in variants for stage in variant.stages}
    files |= {"costs.json": b"{}", "weights.bin": b""}
    document = PlanDocument({"main": PlannedEntry(variants)})
    write_plan(ArchiveWriter(path), document, files, folder=None)


def _changed(path: Path, change: Change) -> None:
    """The same plan with another document."""
    archive = Archive(path)
    members = {name: archive.read(name) for name in archive.names()}
    document = json.loads(archive.read("plan.json"))
    change(document)
    members["plan.json"] = json.dumps(document).encode()
    write_archive(path, members)


def _first(change: Change) -> Change:
    return lambda document: change(document["entries"]["main"]["variants"][0])


def _run(change: Change) -> Change:
    return _first(lambda variant: change(variant["run"]))


def _steps(change: Callable[[list[Any]], object]) -> Change:
    """With as many accounts as steps."""

    def both(run: dict[str, Any]) -> None:
        change(run["schedule"]["steps"])
        change(run["account"]["steps"])

    return _run(both)


def _stream(**changes: object) -> Change:
    """With a stream of the five stages."""
    replicas, batches = [2, 1, 1, 1, 1], [1] * 5
    stream = {"replicas": replicas, "batches": batches, "period_s": 0.5, "latency_s": 2.5}
    return _first(lambda variant: variant.update(stream={**stream, "basis": "measured", **changes}))


TRANSFER = 2  # of norm1 to pim.hbm, before stage 2

BAD: dict[str, tuple[Change, str]] = {
    "no entry": (lambda d: d.update(entries={}), "entries.main has no variant"),
    "no variant": (lambda d: d["entries"]["main"].update(variants=[]), "main has no variant"),
    "weights that are none in full": (
        lambda d: d.update(full_weight_bytes=0),
        "full_weight_bytes is 0, and some weights are in few bits",
    ),
    "weights of no size": (
        lambda d: d.update(full_weight_bytes=-1),
        "at full_weight_bytes",
    ),
    "a share of a budget for nobody": (
        lambda d: d.update(budget={"tolerance": 0.1, "shares": {"decode": 0.1}}),
        "budget has a share for 'decode', which is no entry",
    ),
    "a share of a budget that is none": (
        lambda d: d.update(budget={"tolerance": 0.1, "shares": {"main": -0.1}}),
        "at budget.shares.main",
    ),
    "a key that is missing": (
        _run(lambda run: run["schedule"]["stages"][0].pop("device")),
        "Field required, at entries.main.variants.0.run.schedule.stages.0.device",
    ),
    "a type that is another": (
        _first(lambda variant: variant.update(nodes=7)),
        "at entries.main.variants.0.nodes",
    ),
    "steps that run a stage twice": (
        _steps(lambda steps: steps.append(steps[0])),
        "the steps run the stages [0, 1, 2, 3, 4, 0]",
    ),
    "a program too few": (
        _run(lambda run: run["stages"].pop()),
        "run: 4 programs for 5 stages",
    ),
    "an account too few": (
        _run(lambda run: run["account"]["steps"].pop()),
        "run: 6 accounts for 7 steps",
    ),
    "a file that is not there": (
        _run(lambda run: run["stages"][1].update(file="stage-009.onnx")),
        "run: there is no member 'stage-009.onnx'",
    ),
    "a node that never runs": (
        _run(lambda run: run["schedule"]["stages"][1]["nodes"].pop()),
        "run: the stages do not run every node once",
    ),
    "a device that nobody knows": (
        _run(lambda run: run["schedule"]["stages"][1].update(device="gpu")),
        "run: there is no device 'gpu'",
    ),
    "a device that nobody can make": (
        _first(lambda variant: variant["provenance"]["devices"].pop("pim.hbm")),
        "run: there is no device 'pim.hbm'",
    ),
    "a device without its memory": (
        _first(lambda variant: variant["machine"]["memories"].pop()),
        "devices[2].memory: the machine has no memory 'pim.hbm'",
    ),
    "a cost on a device that nobody knows": (
        _first(lambda variant: variant["nodes"][3]["run_s"].update(gpu=1.0)),
        "node project: there is no device 'gpu'",
    ),
    "a route to nowhere": (
        _run(lambda run: run["schedule"]["steps"][TRANSFER].update(route=["host", "disk"])),
        "run: there is no route host>disk",
    ),
    "a transfer that is missing": (
        _steps(lambda steps: steps.pop(TRANSFER)),
        "run: norm1 is not in pim.hbm when it is read there",
    ),
    "a transfer of what is not there yet": (
        _steps(lambda steps: steps.insert(0, steps.pop(TRANSFER))),
        "run: norm1 is not in host when it is read there",
    ),
    "an output that nobody writes": (
        _first(lambda variant: variant["outputs"][0].update(name="tail")),
        "run: tail never gets to host",
    ),
    "open dimensions without the open model": (
        _first(lambda variant: variant["inputs"][0].update(dims=["n", 64])),
        "there is no member 'model.onnx'",
    ),
    "nothing that is shipped": (
        _first(lambda variant: variant["contenders"][0].update(chosen=False)),
        "contenders: there is not one that is chosen",
    ),
    "replicas of other stages": (
        _stream(replicas=[2, 1], batches=[1, 1]),
        "stream: 2 numbers of replicas for 5 stages",
    ),
    "a stage without a replica": (
        _stream(replicas=[2, 1, 0, 1, 1]),
        "greater than or equal to 1, at entries.main.variants.0.stream.replicas.2",
    ),
    "more replicas than there may be": (
        _stream(replicas=[2, 1, 1025, 1, 1]),
        "1030 replicas with 1 inputs in a call; the most are 1024 and 1024",
    ),
    "a period that no machine has": (
        _stream(period_s=-1.0),
        "A number that no machine could have, at entries.main.variants.0.stream.period_s",
    ),
    "batches of a model that takes none": (
        _stream(batches=[4] * 5),
        "stream: there are no batches of 4: tokens has no open first dimension",
    ),
    "batches of two sizes": (
        _stream(batches=[1, 4, 8, 1, 1]),
        "5 stages take [1, 4, 8, 1, 1] inputs in a call",
    ),
    "a fallback that does not fit": (
        _first(lambda variant: variant.update(fallback={**variant["run"], "stages": []})),
        "fallback: 0 programs for 5 stages",
    ),
}


@pytest.mark.parametrize(("change", "problem"), BAD.values(), ids=BAD.keys())
def test_what_does_not_fit_is_refused(change: Change, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    _write(path, mixed().planned)
    assert Plan.load(path).first.planned == mixed().planned
    _changed(path, change)
    with pytest.raises(PlanError) as error:
        Plan.load(path)
    assert problem in error.value.problem
    assert error.value.where == f"{path}: plan.json"
    assert error.value.fix


def test_a_stream_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    stream = PlannedStream((2, 1, 1, 1, 1), (1,) * 5, 0.5, 2.5, "modelled")
    _write(path, replace(mixed().planned, stream=stream))
    assert Plan.load(path).first.planned.stream == stream


def test_plans_of_before_there_were_streams(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    _write(path, mixed().planned)
    _changed(path, _first(lambda variant: variant.pop("stream")))
    assert Plan.load(path).first.planned == mixed().planned


def test_variants_have_the_same_inputs_and_outputs(tmp_path: Path) -> None:
    path = tmp_path / "x.plan"
    _write(path, mixed().planned, one_node().planned)
    with pytest.raises(PlanError, match=r"variants\[1\] has other inputs or outputs than the firs"):
        Plan.load(path)


def test_an_input_goes_by_the_name_that_stages_have_for_it(tmp_path: Path) -> None:
    variant = mixed().planned
    tokens, mask = variant.inputs
    renamed = replace(tokens, name="tokens as fed", value="tokens")
    _write(tmp_path / "x.plan", replace(variant, inputs=(renamed, mask)))
    assert Plan.load(tmp_path / "x.plan").first.planned.inputs[0] == renamed


def _places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    keys = part.keys() if isinstance(part, dict) else range(len(part) if type(part) is list else 0)
    for key in keys:
        yield from _places(part[key], (*path, key))


SCRAPS: list[object] = [None, True, -1, 1 << 70, 0.5, "", "host", "NaN", [], [[]], {"a": 1}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), anything=st.sampled_from(SCRAPS))
def test_whatever_stands_there_is_harmless_or_refused(
    tmp_path: Path, data: st.DataObject, anything: object
) -> None:
    path = tmp_path / "x.plan"
    _write(path, mixed().planned)
    document = json.loads(Archive(path).read("plan.json"))
    *steps, last = data.draw(st.sampled_from([*_places(document)][1:]))
    part = functools.reduce(lambda inside, step: inside[step], steps, document)
    part[last] = anything
    _changed(path, lambda old: old.update(document))
    with contextlib.suppress(PlanError):
        Plan.load(path)
