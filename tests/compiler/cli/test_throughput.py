"""`compile --objective throughput` and what goes with it: what is printed, and the keys of it."""

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest

from stagecut.compiler import Plan
from stagecut.compiler.measure.cpus import usable_cpus
from tests.support.command_line import Said

Run: TypeAlias = Callable[..., Said]


@pytest.fixture(autouse=True)
def _cpus_are_given_back() -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, allowed)


_QUICK = ("--no-cache", "--effort", "quick", "--device", "cpu.serial")


class Compiled(Protocol):
    """Compiles the model, once for each `more`; what was printed."""

    def __call__(self, *more: str) -> dict[str, Any]: ...


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, ...], tuple[str, bytes]]:
    """What was printed, and the plan, by the further options."""
    return {}


@pytest.fixture
def compiled(known: dict[tuple[str, ...], tuple[str, bytes]], run: Run, model: Path) -> Compiled:
    plan = model.with_suffix(".plan")
    asked = ("compile", model, "-o", plan, "--objective", "throughput", *_QUICK, "--json")

    def compile_once(*more: str) -> dict[str, Any]:
        if more not in known:
            said = run(*asked, *more)
            assert said.code == 0, said.err
            known[more] = said.out, plan.read_bytes()
        out, content = known[more]
        plan.write_bytes(content)
        document: dict[str, Any] = json.loads(out)
        return document

    return compile_once


def test_what_a_plan_for_streams_says_of_itself(compiled: Compiled, run: Run, model: Path) -> None:
    document = compiled()
    stream = document["stream"]
    assert document["objective"] == "throughput"
    assert stream["replicas"] == [usable_cpus()]
    assert stream["batches"] == [1]
    assert document["predicted_s"] == stream["period_s"]
    assert document["shipped"].get("replicas", 1) == usable_cpus()
    assert "schedules" in document["certificate"]["scope"]
    plan = model.with_suffix(".plan")
    told = run("report", plan)
    assert told.code == 0, told.err
    assert "inputs/s = an input every" in told.out
    assert f"streams through {usable_cpus()} × cpu.serial; an input takes" in told.out
    for report in (("--html", plan.with_suffix(".html")), ("--json",), ("--nodes",)):
        assert run("report", plan, *report).code == 0
    streamed = run("run", plan, "--random", "0", "--stream", "--seconds", "0.1", "--json")
    assert streamed.code == 0, streamed.err


def test_the_proof_in_a_plan(compiled: Compiled, run: Run, model: Path) -> None:
    plan = model.with_suffix(".plan")
    compiled("--granularity", "op")
    said = run("partition", plan, "--objective", "throughput", "--check", plan)
    assert said.code == 0, said.err
    assert "certificate accepted" in said.out
    solved = json.loads(run("partition", plan, "--objective", "throughput", "--json").out)
    stored = json.loads(zipfile.ZipFile(plan).read("stream.json"))
    assert solved["certificate"] == stored["certificate"]
    longer = 2 * Fraction(stored["certificate"]["period"])  # some are faster than that
    stored["certificate"]["period"] = str(longer)
    tampered = plan.with_name("tampered.json")
    tampered.write_text(json.dumps(stored))
    wrong = run("partition", plan, "--objective", "throughput", "--check", tampered)
    assert wrong.code == 1
    assert "Traceback" not in wrong.err


def test_the_proof_of_a_plan_with_rules(compiled: Compiled, run: Run, model: Path) -> None:
    plan = model.with_suffix(".plan")
    rules = ("--device", "cpu.parallel", "--forbid", "Relu=cpu.parallel")
    compiled("--granularity", "op", *rules)
    said = run("partition", plan, "--objective", "throughput", "--check", plan)
    assert said.code == 0, said.err
    assert "certificate accepted" in said.out


def test_a_proof_of_other_devices(compiled: Compiled, run: Run, model: Path) -> None:
    plan = model.with_suffix(".plan")
    compiled()
    stored = json.loads(zipfile.ZipFile(plan).read("stream.json"))
    stored["stages"][0]["device"] = "cpu.nine"
    other = plan.with_name("other.json")
    other.write_text(json.dumps(stored))
    said = run("partition", plan, "--objective", "throughput", "--check", other)
    assert said.code == 1
    assert "there is no device 'cpu.nine'" in said.err
    latency = run("partition", plan, "--check", plan)
    assert latency.code == 2
    assert "add --objective throughput" in latency.err


def test_ticks_that_are_too_coarse_prove_nothing(compiled: Compiled, run: Run, model: Path) -> None:
    plan = model.with_suffix(".plan")
    compiled("--granularity", "op")
    stored = json.loads(zipfile.ZipFile(plan).read("stream.json"))
    certificate = stored["certificate"]
    certificate["potentials"] = [[0]] + [[9]] * (len(certificate["potentials"]) - 1)
    certificate |= {"period": "1", "tick_s": 1.0}
    coarse = plan.with_name("coarse.json")
    coarse.write_text(json.dumps(stored))
    said = run("partition", plan, "--objective", "throughput", "--check", coarse)
    assert said.code == 1
    assert "too coarse" in said.err
    certificate["period"] = "0"
    for beside in ("claim", "gap", "open_gap"):
        del certificate[beside]
    coarse.write_text(json.dumps(stored))
    assert run("partition", plan, "--objective", "throughput", "--check", coarse).code == 0


def test_a_plan_without_a_proof(run: Run, model: Path) -> None:
    plan = model.with_suffix(".plan")
    made = run("compile", model, "-o", plan, *_QUICK)
    assert made.code == 0, made.err
    assert run("partition", plan).code == 0  # its cost table is as good as any
    said = run("partition", plan, "--objective", "throughput", "--check", plan)
    assert said.code == 1
    assert "was not made for streams" in said.err
    plan.write_bytes(plan.read_bytes()[:-9])
    assert run("partition", plan).code == 1


def test_limits(compiled: Compiled, run: Run, model: Path) -> None:
    document = compiled("--max-latency", "10s", "--max-memory", "1GiB")
    assert document["stream"]["latency_s"] <= 10
    plan = model.with_suffix(".plan")
    options = ("--objective", "throughput", *_QUICK, "--max-latency", "1ns")
    said = run("compile", model, "-o", plan, *options)
    assert said.code == 1
    assert "no stream keeps to 1.00 ns of latency: the least that can be had is" in said.err


def test_a_plan_beside_itself(compiled: Compiled, run: Run, model: Path) -> None:
    plan = model.with_suffix(".plan")
    compiled()
    same = run("diff", plan, plan)
    assert same.code == 0, same.err


def test_cores(compiled: Compiled, run: Run, model: Path) -> None:
    first = min(os.sched_getaffinity(0))
    document = compiled("--cores", str(first))
    assert document["stream"]["replicas"] == [1]
    assert os.sched_getaffinity(0) == {first}


BAD = {
    "cores that are not there": (["--cores", "64000"], "CPU 64000 is not there"),
    "no list of cores": (["--cores", "one"], "'one' is no list of CPUs"),
}


@pytest.mark.parametrize(("options", "told"), BAD.values(), ids=BAD.keys())
def test_bad_input(run: Run, model: Path, options: list[str], told: str) -> None:
    said = run("compile", model, "-o", model.with_suffix(".plan"), *options)
    assert said.code == 2
    assert told in said.err
    assert not model.with_suffix(".plan").exists()


def test_batches_are_for_streams(run: Run, model: Path) -> None:
    said = run("compile", model, "-o", model.with_suffix(".plan"), "--max-batch", "4")
    assert said.code == 2
    assert "--max-batch: is about streams" in said.err


def test_a_batch_that_is_fixed_is_said_to_be(run: Run, model: Path) -> None:
    plan = model.with_suffix(".plan")
    options = ("--objective", "throughput", *_QUICK, "--max-batch", "4")
    said = run("compile", model, "-o", plan, *options)
    assert said.code == 0, said.err
    assert "inputs are run one by one: x has no open first dimension" in said.err


def test_the_topology(run: Run) -> None:
    drawn = run("devices", "--topology")
    assert drawn.code == 0
    assert "may be used" in drawn.out.splitlines()[0]
    document = json.loads(run("devices", "--topology", "--json").out)
    assert document["usable_cpus"] == usable_cpus()
    cpus = [cpu for group in document["groups"] for cpu in group["cpus"]]
    assert sorted(cpus) == sorted(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    "limit", [("--max-latency", "-5ms"), ("--max-memory", "5"), ("--max-energy", "1..5mJ")]
)
def test_a_dry_run_looks_at_limits(run: Run, model: Path, limit: tuple[str, str]) -> None:
    said = run("compile", model, "--dry-run", "--objective", "throughput", *limit)
    assert said.code == 2
    assert limit[0] in said.err


def test_a_run_is_priced_under_load_as_all_else_of_a_stream_is(
    compiled: Compiled, model: Path
) -> None:
    compiled()
    planned = Plan.load(model.with_suffix(".plan")).first.planned
    assert planned.stream is not None
    [step] = planned.account.steps
    assert step.time_s == pytest.approx(planned.stream.period_s * planned.stream.replicas[0])
