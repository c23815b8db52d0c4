"""Names come from other people's files: a terminal shows them, and obeys none of them.

Every name of a model, a cost table, a preset and a file holds escape sequences, markup, letters
that turn the direction of writing, and a line that looks like ours.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stagecut.compiler.cli.output import progress_bars
from tests.support.command_line import Said, stagecut
from tests.support.repository import ROOT

Command: TypeAlias = Callable[..., Said]


def evil(name: str) -> str:
    return f"\x1b[31m[bold]{name}[-nope]\x9b2J\u202e\nfake: line\x07"


_SHAPE = f"{evil('x')}=2x4"
#: A name without what ends an option.
_STEM = re.sub(r"[\n,=:/]", "", evil("preset"))


def _model() -> onnx.ModelProto:
    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(evil(name), TensorProto.FLOAT, [evil("N"), 4])

    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), evil("w"))
    nodes = [
        helper.make_node("MatMul", [evil("x"), evil("w")], [evil("h")], name=evil("matmul")),
        helper.make_node("Sigmoid", [evil("h")], [evil("s")], name=evil("sigmoid")),
        helper.make_node("Add", [evil("s"), evil("x")], [evil("y")], name=evil("add")),
    ]
    graph = helper.make_graph(nodes, evil("graph"), [value("x")], [value("y")], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _table() -> dict[str, Any]:
    between = f"{evil('m')}>{evil('p')}", f"{evil('p')}>{evil('m')}"
    return {
        "schema": "stagecut.costs/1",
        "name": evil("table"),
        "hosts": [{"name": evil("host"), "address": evil("address")}],
        "resources": [{"name": evil("cores"), "host": evil("host")}],
        "memories": [{"name": evil("m"), "capacity_bytes": 99}, {"name": evil("p")}],
        "devices": [
            {"name": evil("c"), "memory": evil("m"), "resource": evil("cores")},
            {"name": evil("d"), "memory": evil("p"), "description": evil("says")},
        ],
        "budgets": [{"name": evil("budget"), "limit": 5}],
        "values": [
            {"name": evil(f"v{index}"), "size_bytes": 1, "move_s": dict.fromkeys(between, 1.0)}
            for index in range(2)
        ],
        "nodes": [
            {
                "name": evil(f"n{index}"),
                "op": evil("op"),
                "run_s": {evil("c"): 1.0, evil("d"): 9.0},
                "inputs": [evil("v0")] if index else [],
                "outputs": [evil(f"v{index}")],
                "uses": {evil("budget"): {evil("c"): 1.0, evil("d"): 1.0}},
            }
            for index in range(2)
        ],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    onnx.save(_model(), folder / "model.onnx")
    (folder / f"{_STEM}.toml").write_text('architecture = "hbm"\n')
    (folder / "table.json").write_text(json.dumps(_table()))
    return folder


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Command:
    """The command line in that folder; what it says is looked at."""
    monkeypatch.chdir(folder)

    def run(*arguments: object) -> Said:
        said = stagecut(capsys, monkeypatch, *arguments)
        _check(said.out)
        _check(said.err)
        return said

    return run


def _check(text: str) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)
        assert not line.startswith("fake"), line


def test_compile_and_what_reads_its_plan(command: Command, folder: Path) -> None:
    devices = ("--device", "cpu.serial", "--device", f"pim:{_STEM}.toml", "--no-cache")
    pin = ("--pin", f"{evil('sigmoid')}=cpu.serial", "--granularity", "op", "--dump", "dump")
    said = command("compile", "model.onnx", "-o", "a.plan", "--shape", _SHAPE, *devices, *pin)
    assert said.code == 0, said.err
    assert "sigmoid" in (folder / "dump" / "02-expanded.txt").read_text("utf-8")
    for path in (folder / "dump").glob("*.txt"):
        _check(path.read_text("utf-8"))
    tables = ("--stages", "--nodes", "--transfers", "--contenders")
    assert command("report", "a.plan").code == 0
    assert command("report", "a.plan", *tables).code == 0
    assert command("report", "a.plan", "--explain", evil("none")).code == 2
    name = next(
        node["name"]
        for node in json.loads((folder / "dump" / "03-costs.json").read_text("utf-8"))["nodes"]
    )
    assert command("report", "a.plan", "--explain", name).code == 0
    assert command("report", "a.plan", "--html", "a.html", "--dot", "a.dot").code == 0
    _check((folder / "a.dot").read_text("utf-8"))
    assert "\x1b" not in (folder / "a.html").read_text("utf-8")
    assert command("diff", "a.plan", "a.plan").code == 0
    assert command("run", "a.plan", "--random", "0", "--output-dir", evil("out")).code == 0
    assert command("run", "a.plan", "--random", "0", "--shape", f"{evil('x')}=3x4").code == 0
    assert command("run", "a.plan", "--random", "0", "--shape", f"{evil('x')}=3x5").code == 1
    assert command("run", "a.plan").code == 1


def test_profile(command: Command) -> None:
    devices = ("--device", "cpu.serial", "--device", f"pim:{_STEM}.toml", "--granularity", "op")
    arguments = ("profile", "model.onnx", "--shape", _SHAPE, *devices)
    assert command(*arguments, "--plan-only").code == 0
    assert command(*arguments, "-o", evil("costs"), "--no-cache").code == 0


PARTITIONS: dict[str, tuple[tuple[str, ...], int]] = {
    "a solution": ((), 0),
    "every method": (("--method", "all"), 0),
    "reasons": (("--explain", evil("n1")), 0),
    "no such node": (("--explain", evil("none")), 2),
    "a rule": (("--pin", f"{evil('n1')}={evil('c')}"), 0),
    "a rule for no node": (("--pin", f"{evil('none')}={evil('c')}"), 1),
    "a rule for no device": (("--pin", f"{evil('n1')}={evil('none')}"), 1),
    "no such device": (("--method", "single", "--device", evil("none")), 1),
    "no such method": (("--method", evil("none")), 2),
    "no objective": (("--objective", evil("none")), 2),
    "no energy": (("--max-energy", evil("none")), 2),
    "no folder": (("-o", f"{evil('none')}/{evil('a')}"), 1),
    "no assignment": (("--check", evil("none")), 1),
}


@pytest.mark.parametrize(("arguments", "code"), PARTITIONS.values(), ids=PARTITIONS.keys())
def test_partition(arguments: tuple[str, ...], code: int, command: Command) -> None:
    assert command("partition", "table.json", *arguments).code == code


def _twice(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda table: table[key].append(table[key][0])


MISTAKES: dict[str, Callable[[dict[str, Any]], None]] = {
    "a node twice": _twice("nodes"),
    "a value twice": _twice("values"),
    "a device twice": _twice("devices"),
    "a memory twice": _twice("memories"),
    "an unknown key": lambda table: table.update({evil("key"): 1}),
    "an unknown value": lambda table: table["nodes"][0].update(inputs=[evil("none")]),
    "a cycle": lambda table: table["nodes"][0].update(inputs=[evil("v1")]),
    "no device": lambda table: table["nodes"][0].update(run_s={}),
    "no route": lambda table: table["values"][0].update(move_s={evil("none"): 1.0}),
    "no room": lambda table: table["budgets"][0].update(limit=0.5),
    "no cost": lambda table: table["nodes"][0]["run_s"].update({evil("c"): -1.0}),
}


@pytest.mark.parametrize("change", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_table_with_a_mistake(
    change: Callable[[dict[str, Any]], None], command: Command, folder: Path
) -> None:
    table = _table()
    change(table)
    (folder / "bad.json").write_text(json.dumps(table))
    assert command("partition", "bad.json").code == 1


_COMPILE = ("compile", "model.onnx", "-o", "x.plan")
ERRORS: dict[str, tuple[tuple[str, ...], int]] = {
    "no model": (("compile", f"{evil('none')}.onnx", "-o", "x.plan"), 1),
    "no form of a model": (("compile", evil("none"), "-o", "x.plan"), 2),
    "no module": (("compile", f"{evil('a')}:{evil('b')}", "-o", "x.plan"), 2),
    "no such zoo model": (("compile", f"zoo:{evil('none')}", "-o", "x.plan"), 2),
    "no such device": ((*_COMPILE, "--device", evil("none")), 1),
    "no such option": ((*_COMPILE, "--device", f"cpu.serial:{evil('none')}=1"), 1),
    "no such preset": ((*_COMPILE, "--device", f"pim:{evil('none')}.toml"), 1),
    "no such input": ((*_COMPILE, "--shape", f"{evil('none')}=1"), 1),
    "an open shape": (_COMPILE, 1),
    "no plan": (("run", evil("none")), 1),
    "no such operator": (("estimate", "pim.hbm", evil("none"), "--shape", "1x4"), 2),
    "no modelled device": (("estimate", evil("none"), "MatMul", "--shape", "1x4"), 1),
}


@pytest.mark.parametrize(("arguments", "code"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(arguments: tuple[str, ...], code: int, command: Command) -> None:
    assert command(*arguments).code == code


def test_a_device_is_estimated(command: Command) -> None:
    shapes = ("--shape", "1x64", "--shape", "64x64")
    assert command("estimate", f"pim:{_STEM}.toml", "MatMul", *shapes, "--layout").code == 0


def test_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert [*progress_bars()([1, 2], evil("label").replace("-nope", "/nope"))] == [1, 2]
    assert "\x1b[31m[bold]label" not in capsys.readouterr().err


def test_an_output_that_is_left_out(command: Command, folder: Path) -> None:
    model = _model()
    model.graph.node.append(helper.make_node("SequenceConstruct", [evil("y")], [evil("list")]))
    model.graph.output.append(
        helper.make_tensor_sequence_value_info(evil("list"), TensorProto.FLOAT, None)
    )
    onnx.save(model, folder / "list.onnx")
    arguments = ("--shape", _SHAPE, "--device", "cpu.serial", "--no-cache")
    said = command("compile", "list.onnx", "-o", "list.plan", *arguments)
    assert said.code == 0, said.err
    assert "left out: output" in said.err


#: Where something is handed to a terminal; what is in between goes through `printable`.
_DOORS = {
    "compiler/cli/main.py",
    "compiler/cli/output.py",
    "compiler/context.py",
    "compiler/measure/supervisor.py",
    "compiler/report/terminal/grid.py",
}
_SPEAKS = re.compile(
    r"(?<![.\w])print\(|typer\.echo|secho|std(?:out|err)\.write|Console\(|warnings\.warn\("
    r"|\bText\([^)]"
)


def test_nothing_is_said_but_through_the_doors() -> None:
    for package in ("compiler", "passes", "backends", "runtime", "models"):
        for path in (ROOT / package).rglob("*.py"):
            place = path.relative_to(ROOT).as_posix()
            for line in path.read_text("utf-8").splitlines():
                told = place in _DOORS or "printable(" in line or "warn(told" in line
                assert told or not _SPEAKS.search(line), f"{place}: {line.strip()}"
