"""A compile in a process of its own: what is asked for arrives there, and the plan comes back."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx.parser
import pytest
import torch

from stagecut.compiler import isolated, worker
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.errors import EngineError, UnplaceableError, UsageError
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.isolated import REQUEST, REQUEST_FILE, Request, read_feed
from stagecut.compiler.pipeline import compile_model
from stagecut.compiler.profiling import profile_model
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.session import Session
from tests.support import encoder_decoders
from tests.support.liar import install
from tests.support.onnx_models import MODELS
from tests.support.reference import assert_as_reference
from tests.support.scattered import expand

QUICK = Settings(effort="quick")
MODEL = MODELS["residual"].proto()


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What is asked for; it is answered in this process."""
    asked: list[Request] = []

    def answered(notes: Path, start: object) -> int:
        asked.append(REQUEST.validate_json((notes.parent / REQUEST_FILE).read_bytes()))
        return worker.answer(notes.parent)

    monkeypatch.setattr(isolated, "supervise", answered)
    return asked


def test_everything_that_can_be_asked_for_arrives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(cache=tmp_path, dump=tmp_path, effort="thorough", engine_timeout_s=7.0)
    found = _asked(
        monkeypatch,
        MODEL,
        devices=["cpu.serial", "null"],
        shapes=[{"x": [2, 3]}, {"x": [4, 3]}],
        objective="energy",
        pins=["Relu=null"],
        forbids=["Add=null"],
        granularity="op",
        tolerance=0.5,
        max_energy_j=3.0,
        max_batch=5,
        costs=unmeasured(expand(load_program(MODEL), ["cpu.serial", "null"], "cluster")),
        decoding=DecodingOptions(
            prompt=4, states={"past": "present"}, encoder=tmp_path, handed={"y": "x"}
        ),
        settings=settings,
    )
    assert replace(found, model="", costs={}) == Request(
        task="compile",
        devices=("cpu.serial", "null"),
        shapes=({"x": (2, 3)}, {"x": (4, 3)}),
        objective="energy",
        pins=("Relu=null",),
        forbids=("Add=null",),
        granularity="op",
        tolerance=0.5,
        max_energy_j=3.0,
        max_batch=5,
        cache=tmp_path,
        dump=tmp_path,
        effort="thorough",
        engine_timeout_s=7.0,
        decoding=DecodingOptions(
            prompt=4, states={"past": "present"}, encoder=tmp_path, handed={"y": "x"}
        ),
    )
    assert Path(found.model).name == "residual.onnx"
    assert read_costs(found.costs["main"]).name == "residual"


def test_numbers_of_numpy_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _asked(
        monkeypatch,
        MODEL,
        tolerance=np.float32(0.5),
        max_energy_j=np.int64(3),
        max_batch=np.int64(4),
        max_latency_s=np.float64(0.25),
    )
    limits = (found.tolerance, found.max_energy_j, found.max_batch, found.max_latency_s)
    assert limits == (0.5, 3.0, 4, 0.25)
    assert [*map(type, limits)] == [float, float, int, float]


def _asked(monkeypatch: pytest.MonkeyPatch, model: object, **options: object) -> Request:
    """What would be asked for, and is not answered."""
    asked: list[Request] = []

    def refuse(notes: Path, start: object) -> int:
        asked.append(REQUEST.validate_json((notes.parent / REQUEST_FILE).read_bytes()))
        raise EngineError("enough")

    monkeypatch.setattr(isolated, "supervise", refuse)
    with pytest.raises(EngineError, match="enough"):
        compile_model(model, isolated=True, **options)  # type: ignore[arg-type]
    return asked[0]


def test_the_plan_is_right_and_keeps_its_file(requests: list[Request], tmp_path: Path) -> None:
    settings = Settings(effort="quick", scratch=tmp_path)
    plan = compile_model(MODEL, devices=["cpu.serial"], settings=settings, isolated=True)
    _assert_right(plan)
    plan.save(tmp_path / "x.plan")
    del plan
    assert [path.name for path in tmp_path.iterdir()] == ["x.plan"]


def _assert_right(plan: Plan) -> None:
    feeds = load_program(MODEL).feeds
    assert_as_reference(Session(plan), MODEL, feeds)


def test_an_encoder_decoder_in_memory(requests: list[Request], tmp_path: Path) -> None:
    folder = encoder_decoders.write_folder(tmp_path, "three files")
    imported, _ = import_model(folder)
    plan = compile_model(
        imported,
        devices=["cpu.serial"],
        shapes={"input_ids": (1, 3)},
        decoding=DecodingOptions(capacity=20),
        settings=Settings(effort="quick"),
        isolated=True,
    )
    source = encoder_decoders.source_of(7, 2, 11)
    expected = encoder_decoders.PlainLoop().greedy(source, [3, 7], 5)
    assert [*Generator(plan)([3, 7], source=source, max_new=5).tokens] == expected
    assert len(requests) == 1


def test_a_module_in_memory_is_imported_here(requests: list[Request]) -> None:
    module, x = torch.nn.Linear(3, 2), torch.ones(1, 3)
    plan = compile_model(
        module, example_inputs=x, devices=["cpu.serial"], settings=QUICK, isolated=True
    )
    [found] = Session(plan).run(None, {"input": x.numpy()})
    np.testing.assert_allclose(found, module(x).detach().numpy(), rtol=1e-5)
    assert requests[0].model.endswith("Linear.onnx")
    assert requests[0].feeds == ("input",)


class Counting(torch.nn.Module):
    """Changes a buffer in place."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: torch.Tensor
        self.register_buffer("runs", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return x + self.runs


def test_what_a_module_changes_in_place_is_told_here(requests: list[Request]) -> None:
    told: list[str] = []
    settings = Settings(effort="quick", warn=told.append)
    x = torch.ones(1, 3)
    compile_model(
        Counting(), example_inputs=x, devices=["cpu.serial"], settings=settings, isolated=True
    )
    assert any("runs" in each for each in told)


def test_so_is_what_a_model_in_memory_hands_back_that_is_no_tensor(
    requests: list[Request],
) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 18, "ai.onnx.ml": 2]>'
        "g (float[1,2] x) => (float[1,2] y) { y = Relu(x)"
        "  maps = ai.onnx.ml.ZipMap<classlabels_int64s = [0, 1]>(y) }"
    )
    kind = model.graph.output.add(name="maps").type.sequence_type.elem_type.map_type
    kind.key_type = onnx.TensorProto.INT64
    kind.value_type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    plan = compile_model(model, devices=["cpu.serial"], settings=QUICK, isolated=True)
    assert plan.entry.left_out == {"maps": "sequence(map(int64, float))"}


def test_a_name_is_handed_on_as_it_is(requests: list[Request]) -> None:
    compile_model("zoo:tiny-mlp", devices=["cpu.serial"], settings=QUICK, isolated=True)
    assert requests[0].model == "zoo:tiny-mlp"


@pytest.mark.parametrize(
    "array",
    [np.array(["a", "über"]), np.array(["a"], object), np.array(3, np.int64), np.ones((2, 0))],
    ids=lambda array: str(array.dtype),
)
def test_arrays_arrive_as_they_are(monkeypatch: pytest.MonkeyPatch, array: np.ndarray) -> None:
    found = _handed_on(monkeypatch, array)
    assert found.shape == array.shape
    assert found.tolist() == array.tolist()


def test_so_do_those_of_types_that_numpy_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.array([1.5, 2.5], ml_dtypes.bfloat16)
    found = _handed_on(monkeypatch, array)
    assert found.dtype == array.dtype
    assert found.tolist() == array.tolist()


def _handed_on(monkeypatch: pytest.MonkeyPatch, array: np.ndarray) -> np.ndarray:
    found: list[np.ndarray] = []

    def answered(notes: Path, start: Callable[..., int]) -> int:
        found.append(read_feed(notes.parent, 0))
        raise EngineError("enough")

    monkeypatch.setattr(isolated, "supervise", answered)
    with pytest.raises(EngineError, match="enough"):
        compile_model("x.onnx", feeds={"x": array}, isolated=True)
    return found[0]


ERRORS = {
    "no device": ({"devices": ["null:operators=Add"]}, UnplaceableError, "no device can run it"),
    "no sense": ({"devices": ["cpu.serial"], "objective": "fame"}, UsageError, "fame"),
}


@pytest.mark.parametrize(("options", "kind", "problem"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_are_those_of_a_compile_in_this_process(
    requests: list[Request], options: dict[str, object], kind: type[Exception], problem: str
) -> None:
    said = []
    for apart in (False, True):
        with pytest.raises(kind, match=problem) as error:
            compile_model(MODEL, isolated=apart, **options)  # type: ignore[arg-type]
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_profile_comes_back_as_it_is_in_this_process(requests: list[Request]) -> None:
    apart, here = (
        profile_model(
            MODEL, devices=["cpu.serial", "null:memory=pim"], settings=QUICK, isolated=isolated
        )
        for isolated in (True, False)
    )
    assert [request.task for request in requests] == ["profile"]
    assert apart.costs.machine.memories == here.costs.machine.memories
    assert [node.name for node in apart.costs.nodes] == [node.name for node in here.costs.nodes]
    assert [path.name for path in apart.paths] == ["cpu.serial"]
    assert apart.circumstances is not None


def test_and_so_does_the_error_of_one(requests: list[Request]) -> None:
    with pytest.raises(UnplaceableError, match="no device can run it"):
        profile_model(MODEL, devices=["null:operators=Add"], isolated=True)


def test_the_fault_of_a_stage_is_told(requests: list[Request], tmp_path: Path) -> None:
    index = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]>'
        "g (float[2] x, int64[1] i) => (float[1] y) { y = Gather(x, i) }"
    )
    feeds = {"x": np.ones(2, np.float32), "i": np.array([7])}
    with pytest.raises((EngineError, UnplaceableError)):
        compile_model(index, feeds=feeds, devices=["cpu.serial"], isolated=True, settings=QUICK)


def test_an_engine_that_dies_is_survived_by_a_process_with_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    enough = threading.Event()
    thread = threading.Thread(target=enough.wait)
    thread.start()
    try:
        liar = "liar:at=prepare,does=segfault,on=Add"
        devices = ["cpu.serial", liar]
        plan = compile_model(MODEL, devices=devices, settings=QUICK, isolated=True)
    finally:
        enough.set()
        thread.join()
    _assert_right(plan)
    assert any("it crashed (SIGSEGV)" in told for told in plan.first.planned.workarounds)
    assert "liar crashed (SIGSEGV)" in capfd.readouterr().err


def test_so_is_one_that_dies_while_it_is_profiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    devices = ["cpu.serial", "liar:at=prepare,does=segfault,on=Add"]
    profiled = profile_model(MODEL, devices=devices, settings=QUICK, isolated=True)
    assert {fault.device for fault in profiled.faults} == {"liar"}
    for fault in profiled.faults:
        node = next(node for node in profiled.costs.nodes if node.name == fault.node)
        assert node.run_s.keys() == {"cpu.serial"}
