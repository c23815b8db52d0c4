"""A model reads below its own folder, a plan its own weight file, and nothing else."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from stagecut import backends
from stagecut.compiler import Plan, compile_model
from stagecut.compiler.cli.app import app
from stagecut.compiler.frontends.onnx_file import read_onnx
from stagecut.compiler.ir.errors import DeviceError, ModelError, PlanError
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session
from tests.support.onnx_models import MODELS
from tests.support.resealed import resealed

SIZE = 8


def _outside(location: str, name: str = "secret") -> TensorProto:
    """A tensor of eight bytes that are at the beginning of the file at `location`."""
    tensor = TensorProto(name=name, data_type=TensorProto.UINT8, dims=[SIZE])
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, "offset": "0", "length": str(SIZE)}.items():
        tensor.external_data.add(key=key, value=text)
    return tensor


def _constant(output: str, location: str) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [output], value=_outside(location))


def _body(location: str, *, initializer: bool) -> onnx.GraphProto:
    output = [helper.make_tensor_value_info("t", TensorProto.UINT8, [SIZE])]
    if initializer:
        nodes = [helper.make_node("Identity", ["held"], ["t"])]
        return helper.make_graph(nodes, "body", [], output, [_outside(location, "held")])
    return helper.make_graph([_constant("t", location)], "body", [], output)


def _model(
    nodes: list[onnx.NodeProto],
    weights: list[TensorProto] | None = None,
    functions: list[onnx.FunctionProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "reader",
        [helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [SIZE])],
        weights or [],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=functions or [], ir_version=9)


def _in_a_body(location: str, *, initializer: bool) -> onnx.ModelProto:
    body = _body(location, initializer=initializer)
    return _model([helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)])


def _in_a_function(location: str, nodes: list[onnx.NodeProto] | None = None) -> onnx.ModelProto:
    imports = [helper.make_opsetid("", 18)]
    nodes = nodes or [_constant("t", location)]
    function = helper.make_function("own", "F", ["c"], ["t"], nodes, imports)
    return _model([helper.make_node("F", ["c"], ["y"], domain="own")], functions=[function])


def _in_a_body_of_a_function(location: str) -> onnx.ModelProto:
    body = _body(location, initializer=True)
    node = helper.make_node("If", ["c"], ["t"], then_branch=body, else_branch=body)
    return _in_a_function(location, [node])


def _in_a_default(location: str) -> onnx.ModelProto:
    """A function's attribute whose default is the tensor."""
    node = helper.make_node("Constant", [], ["t"])
    value = node.attribute.add(name="value", ref_attr_name="held", type=onnx.AttributeProto.TENSOR)
    assert value.ref_attr_name
    model = _in_a_function(location, [node])
    model.functions[0].attribute_proto.append(helper.make_attribute("held", _outside(location)))
    return model


def _in_a_list(location: str) -> onnx.ModelProto:
    """An attribute that holds several tensors, of an operator that is a function."""
    model = _in_a_function(location)
    model.functions[0].attribute.append("several")
    model.graph.node[0].attribute.append(helper.make_attribute("several", [_outside(location)] * 2))
    return model


PLACES: dict[str, Callable[[str], onnx.ModelProto]] = {
    "an initializer": lambda location: _model(
        [helper.make_node("Identity", ["held"], ["y"])], [_outside(location, "held")]
    ),
    "a Constant": lambda location: _model([_constant("y", location)]),
    "a Constant in a body": lambda location: _in_a_body(location, initializer=False),
    "an initializer of a body": lambda location: _in_a_body(location, initializer=True),
    "a function": _in_a_function,
    "a body in a function": _in_a_body_of_a_function,
    "the default of a function": _in_a_default,
    "a list of tensors": _in_a_list,
}


def _link_out(folder: Path) -> str:
    (folder / "link").symlink_to("/etc/passwd")
    return "link"


OUTSIDE: dict[str, Callable[[Path], str]] = {
    "an absolute path": lambda _: "/etc/passwd",
    "a way up": lambda _: "../secret",
    "a link": _link_out,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("location", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_model_reads_nothing_outside_its_folder(
    tmp_path: Path, place: Callable[[str], onnx.ModelProto], location: Callable[[Path], str]
) -> None:
    (tmp_path / "secret").write_bytes(bytes(100))
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / "m.onnx"
    path.write_bytes(place(location(folder)).SerializeToString())
    with pytest.raises(ModelError, match="outside the model's folder"):
        read_onnx(path)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_model_reads_what_lies_beside_it(
    tmp_path: Path, place: Callable[[str], onnx.ModelProto]
) -> None:
    (tmp_path / "data").write_bytes(bytes(range(SIZE)))
    path = tmp_path / "m.onnx"
    path.write_bytes(place("data").SerializeToString())
    proto = ir.to_proto(read_onnx(path).model)
    found = [tensor for tensor in _tensors(proto) if tensor.name in {"secret", "held"}]
    assert found
    for tensor in found:
        assert onnx.numpy_helper.to_array(tensor).tolist() == [*range(SIZE)]


def _tensors(message: object) -> Iterator[TensorProto]:
    """All of them, found by the fields that messages have."""
    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():  # type: ignore[attr-defined]
        if field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                yield from _tensors(each)


@cache
def _plan() -> Plan:
    return compile_model(MODELS["chain"].proto(), devices=["cpu.serial"])


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "id_rsa"])
def test_a_plan_reads_nothing_but_its_weight_file(
    tmp_path: Path, place: Callable[[str], onnx.ModelProto], location: str
) -> None:
    (tmp_path / "id_rsa").write_bytes(bytes(100))
    stage = place(location).SerializeToString()
    path = resealed(tmp_path / "x.plan", _plan().archive, {"stage-000.onnx": stage})
    with pytest.raises(PlanError, match=r"lies outside of weights.bin"):
        Session(path)
    onnx_file = tmp_path / "copy.onnx"
    result = CliRunner().invoke(app, ["report", str(path), "--onnx", str(onnx_file)])
    assert isinstance(result.exception, PlanError)
    assert not onnx_file.exists()


@pytest.mark.parametrize("place", [*PLACES][1:])
def test_only_weights_of_the_model_itself_lie_in_the_weight_file(
    tmp_path: Path, place: str
) -> None:
    """Engines would look for the others in a file of that name, wherever they are run."""
    weights = _plan().archive.read("weights.bin") + bytes(SIZE)
    stage = PLACES[place]("weights.bin").SerializeToString()
    changed = {"stage-000.onnx": stage, "weights.bin": weights}
    path = resealed(tmp_path / "x.plan", _plan().archive, changed)
    with pytest.raises(PlanError, match=r"lies outside of weights.bin|is no ONNX model"):
        Session(path)


@pytest.mark.parametrize(
    ("offset", "length"), [(-8, 8), (1, 8), (10**30, 8), (0, 7), (-(2**63), 2**63)]
)
def test_weights_lie_within_the_weight_file(tmp_path: Path, offset: int, length: int) -> None:
    model = PLACES["an initializer"]("weights.bin")
    for entry in model.graph.initializer[0].external_data:
        entry.value = {"offset": str(offset), "length": str(length)}.get(entry.key, entry.value)
    changed = {"stage-000.onnx": model.SerializeToString(), "weights.bin": bytes(SIZE)}
    path = resealed(tmp_path / "x.plan", _plan().archive, changed)
    with pytest.raises(PlanError, match=r"lies outside of weights.bin|is no ONNX model"):
        Session(path)


FILES = [
    "pim.hbm:preset=/dev/zero",
    "pim:/etc/passwd",
    "pim:preset=/dev/zero",
    "pim:mine.toml",
    "pim:preset=secret",
    "pim:../mine.toml",
    "cpu.serial:watts_per_thread=/dev/zero",
]


@pytest.mark.parametrize("spec", FILES)
def test_devices_of_a_plan_open_no_files(tmp_path: Path, spec: str) -> None:
    def ask(document: dict[str, Any]) -> None:
        [variant] = document["entries"]["main"]["variants"]
        variant["provenance"]["devices"]["cpu.serial"] = spec

    path = resealed(tmp_path / "x.plan", _plan().archive, {}, ask)
    with pytest.raises(DeviceError, match=r"names a file|not of the form key=value"):
        Session(path)


def test_a_plan_for_a_device_of_a_file_runs_without_the_file(tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('architecture = "hbm"\n[timing]\ntCCDL = 6\n')
    model, devices = MODELS["chain"].proto(), [f"pim:{preset}", "cpu.serial"]
    plan = compile_model(model, devices=devices, costs=unmeasured)
    preset.unlink()
    assert "pim.mine" in Session(plan).get_providers()
    assert str(preset) not in plan.archive.read("plan.json").decode()


@pytest.mark.parametrize("preset", ["/dev/zero", "pipe", "folder"])
def test_a_preset_is_a_file_with_an_end(tmp_path: Path, preset: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DeviceError, match=r"cannot be read"):
        backends.canonical_spec(f"pim:preset={tmp_path / preset}")
