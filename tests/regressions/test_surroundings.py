"""What surrounds a command can be odd or hostile: it is told in words, and nothing is lost."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.errors import CostTableError, FeedError
from stagecut.runtime import Session
from tests.support.command_line import Said, stagecut

Command: TypeAlias = Callable[..., Said]

_SHAPE = ("--shape", "x=2x4", "--device", "cpu.serial", "--no-cache", "--effort", "quick")
_TABLE: dict[str, Any] = {
    "schema": "stagecut.costs/1",
    "name": "t",
    "memories": ["h", "p"],
    "devices": [{"name": "c", "memory": "h"}, {"name": "d", "memory": "p"}],
    "values": [],
    "nodes": [{"name": "n", "op": "A", "run_s": {"c": 1, "d": 2}}],
}


def _relu() -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture
def command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """The command line in a folder with a model, an array and a table."""
    monkeypatch.chdir(tmp_path)
    onnx.save(_relu(), "r.onnx")
    np.save("x.npy", np.ones((2, 4), np.float32))
    Path("t.json").write_text(json.dumps(_TABLE))

    def run(*arguments: object) -> Said:
        said = stagecut(capsys, monkeypatch, *arguments)
        assert "Traceback" not in said.err
        return said

    return run


@pytest.fixture
def plan(command: Command) -> Path:
    said = command("compile", "r.onnx", "-o", "r.plan", *_SHAPE)
    assert said.code == 0, said.err
    return Path("r.plan")


@pytest.mark.parametrize("way", ["same", "roundabout", "soft", "hard"])
def test_the_model_is_not_written_over(way: str, command: Command) -> None:
    before = Path("r.onnx").read_bytes()
    output = {"same": "r.onnx", "roundabout": "../" + Path.cwd().name + "/r.onnx"}.get(way, "link")
    if way == "soft":
        Path("link").symlink_to("r.onnx")
    if way == "hard":
        os.link("r.onnx", "link")
    for name in ("compile", "profile"):
        said = command(name, "r.onnx", "-o", output, *_SHAPE[:5])
        assert said.code == 2
        assert "would be written over r.onnx, which is read" in said.err
    assert Path("r.onnx").read_bytes() == before


def test_the_weights_of_the_model_are_not_written_over(command: Command) -> None:
    weight = onnx.numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    model = _relu()
    model.graph.initializer.append(weight)
    onnx.save(model, "big.onnx", save_as_external_data=True, location="w", size_threshold=0)
    said = command("compile", "big.onnx", "-o", "w", *_SHAPE)
    assert (said.code, "written over w, which is read" in said.err) == (2, True)
    Path("broken.onnx").write_text("no model")
    said = command("compile", "broken.onnx", "-o", "w", *_SHAPE)
    assert (said.code, "is not an ONNX" in said.err) == (1, True)


def test_weights_in_bodies_and_functions_are_not_written_over(command: Command) -> None:
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 4])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="w")
    constant = helper.make_node("Constant", [], ["t"], value=outside)
    ends = [helper.make_tensor_value_info("t", TensorProto.FLOAT, [2, 4])]
    body = helper.make_graph([constant], "body", [], ends)
    choice = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    c = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    function = helper.make_function("own", "F", ["c"], ["t"], [constant], opsets)
    call = helper.make_node("F", ["c"], ["y"], domain="own")
    for node in (choice, call):
        graph = helper.make_graph([node], "g", [c], [_relu().graph.output[0]])
        model = helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=9)
        Path("body.onnx").write_bytes(model.SerializeToString())
        Path("w").write_bytes(bytes(32))
        said = command("compile", "body.onnx", "-o", "w", *_SHAPE[2:])
        assert (said.code, "written over w, which is read" in said.err) == (2, True)


@pytest.mark.usefixtures("plan")
@pytest.mark.parametrize(
    "arguments",
    [
        ("compile", "r.onnx", "-o", "x.npy", "--input", "x=x.npy"),
        ("compile", "r.onnx", "-o", "t.json", "--costs", "t.json"),
        ("run", "r.plan", "--input", "x=x.npy", "--trace", "x.npy"),
        ("run", "r.plan", "--random", "0", "--trace", "r.plan"),
        ("run", "r.plan", "--input", "x=y.npy", "--output-dir", "."),
        ("report", "r.plan", "--html", "r.plan"),
        ("report", "r.plan", "--html", "new", "--dot", "./new"),
        ("report", "r.plan", "--html", "new.onnx.weights", "--onnx", "new.onnx"),
        ("partition", "t.json", "-o", "t.json"),
    ],
)
def test_no_file_is_read_and_written(arguments: tuple[str, ...], command: Command) -> None:
    np.save("y.npy", np.ones((2, 4), np.float32))
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert command(*arguments).code == 2
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (".", "it is a folder"),
        ("no/such", "No such file or directory"),
        ("r.onnx/x", "Not a directory"),
        ("n" * 300, "File name too long"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_an_output_that_cannot_be_is_told_before_anything_is_measured(
    output: str, why: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("loop").symlink_to("loop")
    monkeypatch.setattr("stagecut.compiler.pipeline.compile_model", None)
    said = command("compile", "r.onnx", "-o", output, *_SHAPE)
    assert (said.code, f"cannot be written: {why}" in said.err) == (1, True)


def test_a_folder_that_is_protected(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # as root may do everything
    said = command("compile", "r.onnx", "-o", "r.plan", *_SHAPE)
    assert (said.code, "its folder is protected against writing" in said.err) == (1, True)


def test_a_plan_may_go_to_a_device(command: Command) -> None:
    assert command("compile", "r.onnx", "-o", os.devnull, *_SHAPE).code == 0
    assert Path(os.devnull).is_char_device()


def test_a_shape_that_no_machine_has_room_for(command: Command, plan: Path) -> None:
    for size, why in {"99999999999": "of memory are left", "9" * 5000: "has 5000 digits"}.items():
        said = command("compile", "r.onnx", "-o", "o", "--shape", f"x={size}x4", *_SHAPE[2:])
        assert (said.code, why in said.err) == (1, True)
        said = command("run", plan, "--random", "0", "--shape", f"x={size}x4")
        assert (said.code, why in said.err) == (1, True)


def test_numbers_that_are_too_long(command: Command) -> None:
    said = command("compile", f"zoo:tiny-mlp:batch={'9' * 5000}", "-o", "o")
    assert said.code == 2
    assert len(said.err) < 4000


def test_arrays_in_other_files(command: Command, plan: Path) -> None:
    np.savez("x.npz", x=np.ones((2, 4), np.float32))
    Path("text.npy").write_text("hi")
    said = command("run", plan, "--input", "x=x.npz")
    assert (said.code, "an .npz holds several arrays" in said.err) == (1, True)
    said = command("run", plan, "--input", "x=text.npy")
    assert (said.code, "is no .npy file" in said.err) == (1, True)
    said = command("run", plan, "--input", "x=x.npy", "--input", "x=x.npy")
    assert (said.code, "given twice" in said.err) == (1, True)


def test_seeds_are_not_negative(command: Command, plan: Path) -> None:
    assert command("run", plan, "--random", "-1").code == 2


def test_byte_order_marks(command: Command, plan: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        Path("bom.json").write_text(json.dumps(_TABLE), encoding)
        assert command("partition", "bom.json").code == 0
        Path("theirs.json").write_text('{"n": "c"}', encoding)
        assert command("partition", "t.json", "--check", "theirs.json").code == 0
        Path("mine.toml").write_text('architecture = "hbm"\n', encoding)
        device = ("estimate", "pim:mine.toml", "Add", "--shape", "64", "--shape", "64")
        assert command(*device).code == 0
    command("run", plan, "--random", "0", "--trace", "run.json")
    Path("run.json").write_text(Path("run.json").read_text("utf-8"), "utf-8-sig")
    assert command("report", plan, "--trace", "run.json").code == 0
    assert read_costs("\ufeff" + json.dumps(_TABLE)).name == "t"


LARGE: dict[str, Callable[[dict[str, Any]], None]] = {
    "values[0].move_s.h>p": lambda table: table["values"][0]["move_s"].update({"h>p": 1e308}),
    "nodes[0].run_s.c": lambda table: table["nodes"][0]["run_s"].update(c=1e308),
    "devices[0].stage_s": lambda table: table["devices"][0].update(stage_s=1e308),
    "links[0].bytes_per_s": lambda table: table.update(
        links=[{"source": "h", "target": "p", "latency_s": 1, "bytes_per_s": 1e-300}]
    ),
}


@pytest.mark.parametrize(("where", "change"), LARGE.items(), ids=LARGE.keys())
def test_costs_that_cannot_be_added_up(
    where: str, change: Callable[[dict[str, Any]], None]
) -> None:
    table = json.loads(json.dumps(_TABLE))
    table["values"] = [{"name": "v", "size_bytes": 2**60, "move_s": {"h>p": 1.0, "p>h": 1.0}}]
    change(table)
    with pytest.raises(CostTableError, match="costs are too large to add") as error:
        read_costs(json.dumps(table))
    assert error.value.where == where


def test_sizes_that_no_memory_has() -> None:
    table = json.loads(json.dumps(_TABLE))
    table["nodes"][0]["weight_bytes"] = 10**400
    with pytest.raises(CostTableError, match="is not a size"):
        read_costs(json.dumps(table))


def test_a_table_without_values_is_no_stream_of_none(command: Command) -> None:
    arguments = ("partition", "t.json", "--objective", "throughput")
    assert command(*arguments, "-o", "stream.json").code == 0
    assert command(*arguments, "--check", "stream.json").code == 0
    Path("stream.json").write_text(Path("stream.json").read_text("utf-8"), "utf-8-sig")
    assert command(*arguments, "--check", "stream.json").code == 0


def test_energies_that_are_too_large(command: Command) -> None:
    assert command("partition", "t.json", "--max-energy", "1e400J").code == 2
    assert command("partition", "t.json", "--objective", "latency=1e308").code == 2


@pytest.mark.parametrize("feeds", [None, [np.ones((2, 4), np.float32)], 3], ids=str)
def test_inputs_that_are_not_by_name(feeds: Any, plan: Path) -> None:
    with pytest.raises(FeedError, match="the plan takes arrays by name") as error:
        Session(plan).run(None, feeds)
    assert "'x': array" in error.value.fix


def test_names_of_files_that_are_no_text(command: Command, tmp_path: Path) -> None:
    """Half a character of another encoding, as archives from elsewhere have in their names."""
    if sys.getfilesystemencoding() != "utf-8":
        pytest.skip("names of files are made of another encoding here")
    odd = tmp_path / os.fsdecode(b"m\xff")
    onnx.save(_relu(), f"{odd}.onnx")
    said = command("compile", f"{odd}.onnx", "-o", f"{odd}.plan", "--dump", "d", *_SHAPE)
    assert said.code == 0, said.err
    said = command("run", f"{odd}.plan", "--random", "0", "--output-dir", odd)
    assert said.code == 0, said.err
    files = ("--html", f"{odd}.html", "--dot", f"{odd}.dot", "--onnx", f"{odd}.2.onnx")
    assert command("report", f"{odd}.plan", *files).code == 0
    assert command("report", f"{odd}.plan", "--json").code == 0


def test_outputs_with_names_that_are_no_names_of_files(command: Command) -> None:
    names = ["a/b", "a:b", "output-3", "n" * 300, "../up"]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4]) for name in names]
    nodes = [helper.make_node("Relu", ["x"], [name]) for name in names]
    graph = helper.make_graph(nodes, "g", [x], values)
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), "many.onnx")
    said = command("compile", "many.onnx", "-o", "many.plan", *_SHAPE[2:])
    assert said.code == 0, said.err
    said = command("run", "many.plan", "--random", "0", "--output-dir", "out")
    assert said.code == 0, said.err
    written = sorted(path.name for path in Path("out").iterdir())
    assert written == [".._up.npy", "a_b.npy", "output-1.npy", "output-3.npy", "output-3_.npy"]


def test_weights_that_are_too_large_for_one_file_go_beside_it(
    command: Command, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stagecut.compiler.report.export.onnx._ROOM_BYTES", 0)
    assert command("report", plan, "--onnx", "out.onnx").code == 0
    assert onnx.load("out.onnx").graph.node[0].op_type == "Relu"
    assert Path("out.onnx.weights").exists()
