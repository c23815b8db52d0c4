"""One door for every kind of model: which frontend is taken, and what is no model at all."""

import contextlib
import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import FeedError, ShapeError, StagecutError, UsageError
from stagecut.compiler.ir.program import Program
from tests.support.onnx_models import MODELS
from tests.support.reference import random_feeds, run_reference
from tests.support.torch_modules import Difference, Linear

FACTORY = """
import torch

def make():
    return torch.nn.Linear(3, 4), torch.ones(2, 3)
"""


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    path = tmp_path / "chain.onnx"
    path.write_bytes(MODELS["chain"].proto().SerializeToString())
    return path


def _operators(program: Program) -> list[str]:
    return [node.op_type for node in program.model.graph]


# ---------------------------------------------------------------- what is a model


def test_a_path_to_an_onnx_file(chain: Path) -> None:
    for model in (chain, str(chain)):
        program = load_program(model)
        assert (program.name, program.source) == ("chain", str(chain))
        assert _operators(program) == ["MatMul", "Add", "Relu"]


def test_the_ending_may_be_in_capitals(chain: Path) -> None:
    assert load_program(chain.rename(chain.with_suffix(".ONNX"))).name == "chain"


def test_an_onnx_model_in_memory() -> None:
    for model in (MODELS["chain"].proto(), MODELS["chain"].ir()):
        assert _operators(load_program(model)) == ["MatMul", "Add", "Relu"]


def test_a_live_pytorch_model() -> None:
    program = load_program(Linear(), example_inputs=torch.ones(2, 3))
    assert _operators(program) == ["Gemm", "Relu"]
    assert program.feeds["x"].shape == (2, 3)


def test_a_pt2_file(tmp_path: Path) -> None:
    program = torch.export.export(Linear().eval(), (torch.ones(2, 3),))
    torch.export.save(program, tmp_path / "net.pt2")
    assert load_program(tmp_path / "net.pt2").name == "net"


def test_a_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_for_loading.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    program = load_program("made_for_loading:make")
    assert (program.name, program.source) == ("make", "made_for_loading:make")


def test_a_model_of_the_zoo() -> None:
    program = load_program("zoo:mlp")
    assert program.source == "zoo:mlp"
    assert program.feeds


@pytest.mark.parametrize("model", ["model.pt", "model", "", "model.onnx.gz", "a/b/"])
def test_any_other_text_is_told_the_four_forms(model: str) -> None:
    with pytest.raises(UsageError, match="is not a model") as refused:
        load_program(model)
    for form in ("file.onnx", "file.pt2", "package.module:factory", "zoo:NAME"):
        assert form in refused.value.fix


def test_a_plan_is_told_from_a_model() -> None:
    with pytest.raises(UsageError, match="is a plan, which is made from a model") as refused:
        load_program("out/bert.plan")
    assert "sweep take the plan" in refused.value.fix


def test_the_collector_rests_while_a_model_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a tenth of the time of an export by torch."""
    (tmp_path / "made_for_the_collector.py").write_text(
        "import gc, torch\n"
        "def make():\n"
        "    assert not gc.isenabled()\n"
        "    return torch.nn.ReLU(), (torch.randn(2),)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert load_program("made_for_the_collector:make").feeds
    assert gc.isenabled()


@pytest.mark.parametrize("model", [None, 3, {"x": 1}, object()])
def test_any_other_object_is_refused(model: object) -> None:
    with pytest.raises(UsageError, match=f"a {type(model).__name__} is not a model"):
        load_program(model)


def test_torch_is_not_imported_for_an_onnx_model(chain: Path) -> None:
    script = (
        "import sys; from stagecut.compiler.frontends import load_program;"
        f"load_program({str(chain)!r}); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@settings(max_examples=150, deadline=None)
@example(name="half precision", damage={1000: 160})
@example(name="einsum", damage={221: 128})
@example(name="scalars", damage={387: 50})
@example(name="overridable weight", damage={181: 29})
@given(
    name=st.sampled_from(list(MODELS)),
    damage=st.dictionaries(st.integers(0, 1000), st.integers(0, 255), min_size=1, max_size=4),
)
def test_a_damaged_file_is_refused_in_our_own_words(
    name: str, damage: dict[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(MODELS[name].proto().SerializeToString())
    for position, byte in damage.items():
        content[position % len(content)] = byte
    path = tmp_path_factory.mktemp("damaged") / "model.onnx"
    path.write_bytes(content)
    with contextlib.suppress(StagecutError):
        graph_of(load_program(path, shapes=MODELS[name].shapes))


# ---------------------------------------------------------------- shapes and sample inputs


def test_shapes_bind_symbols() -> None:
    program = load_program(
        MODELS["symbolic dimensions"].proto(), shapes={"ids": (2, 5), "scale": (2, 3)}
    )
    assert program.feeds["ids"].tolist() == [[1] * 5] * 2


def test_shapes_make_samples_anew_where_those_of_the_source_do_not_fit() -> None:
    dynamic = torch.export.export(
        Linear().eval(), (torch.ones(2, 3),), dynamic_shapes=({0: torch.export.Dim("n", min=1)},)
    )
    assert load_program(dynamic).feeds["x"].tolist() == [[1] * 3] * 2
    program = load_program(dynamic, shapes={"x": (5, 3)})
    assert program.feeds["x"].shape == program.model.graph.inputs[0].shape == (5, 3)


def test_a_shape_against_the_export_is_refused() -> None:
    with pytest.raises(ShapeError, match="the model fixes it to 2"):
        load_program(Linear(), example_inputs=torch.ones(2, 3), shapes={"x": (5, 3)})


def test_feeds_are_the_samples_of_any_model() -> None:
    feeds = {"x": np.full((2, 3), 7, np.float32)}
    program = load_program(Linear(), example_inputs=torch.ones(2, 3), feeds=feeds)
    assert program.feeds["x"] is feeds["x"]


@pytest.mark.parametrize("kind", [dict, list, tuple])
def test_example_inputs_are_the_samples_of_an_onnx_model(kind: type[object]) -> None:
    model = MODELS["branches"].proto()
    feeds = random_feeds(model, {})
    given = feeds if kind is dict else kind(feeds.values())  # type: ignore[call-arg]
    assert load_program(model, example_inputs=given).feeds["x"].tolist() == feeds["x"].tolist()


def test_one_array_is_the_only_example_input() -> None:
    x = np.ones((2, 4), np.float32)
    assert load_program(MODELS["chain"].proto(), example_inputs=x).feeds["x"].tolist() == x.tolist()


def test_too_many_example_inputs_are_refused() -> None:
    with pytest.raises(FeedError, match="2 example inputs are given for 1"):
        load_program(MODELS["chain"].proto(), example_inputs=(1, 2))


def test_example_inputs_and_feeds_of_an_onnx_model_are_one_too_many() -> None:
    feeds: Feeds = {"x": np.ones((2, 4), np.float32)}
    with pytest.raises(UsageError, match="the same thing"):
        load_program(MODELS["chain"].proto(), example_inputs=feeds, feeds=feeds)


@pytest.mark.parametrize("spec", ["zoo:mlp", "package.module:factory"])
def test_what_brings_its_example_inputs_takes_no_others(spec: str) -> None:
    with pytest.raises(UsageError, match="brings its own example inputs"):
        load_program(spec, example_inputs=np.ones(1))


def test_a_pytorch_model_computes_the_same_as_a_program() -> None:
    module, (left, right) = Difference(), torch.randn(2, 3, 4).unbind()
    program = load_program(module, example_inputs=(left, right))
    (found,) = run_reference(program.model, program.feeds)
    np.testing.assert_allclose(found, module(left, right).numpy(), rtol=1e-6)
