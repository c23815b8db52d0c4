"""The reference's answers for a real model, and which nodes are to blame for wrong ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut import backends
from stagecut.compiler.answers import Answers
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.metric import Metric
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import Proposal, proposals
from stagecut.passes.partition.partition import Partition
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.passes.stage.extract import Extractor
from tests.support import lying
from tests.support.onnx_models import MODELS
from tests.support.reference import run_reference

Made = Callable[..., Answers]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    lying.use(monkeypatch)

    def made(
        specs: Sequence[str],
        model: onnx.ModelProto | None = None,
        metric: Metric | None = None,
    ) -> Answers:
        engines = backends.create_all(specs)
        settings = Settings(effort="quick")
        context = CompileContext(
            engines, dict(zip(engines, specs, strict=True)), settings, None, ()
        )
        program = load_program(MODELS["residual"].proto() if model is None else model)
        program = replace(program, metric=metric)
        [weights] = write_weights([program.model], tmp_path)
        return Answers(context, program, graph_of(program), Extractor(program, weights))

    return made


def _rivals(answers: Answers) -> dict[str, Proposal]:
    expanded = Expand(answers.context.backends)(answers.graph)
    costs = synthetic_costs(expanded, lambda candidates: candidates[-1])
    found = proposals(costs, Partition()(costs), LATENCY)
    return {proposal.name: proposal for proposal in found}


def test_the_reference_answers_as_onnxruntime_does(make: Made) -> None:
    reference = make(["cpu.serial"]).reference
    names = [each.name for each in reference.sets]
    assert names[:2] == ["the sample inputs", "random numbers"]
    for each in reference.sets:
        [expected] = run_reference(MODELS["residual"].proto(), each.feeds)
        np.testing.assert_allclose(reference.outputs(each)["y"], expected, rtol=1e-5)


def test_only_the_reference_itself_has_no_limit(make: Made) -> None:
    answers = make(["cpu.serial", "lying:how=zeros"])
    rivals = _rivals(answers)
    assert answers.limit(None, rivals["cpu.serial"]) is None
    limits = [answers.limit(None, rivals["lying"]), answers.limit(0.5, rivals["cpu.serial"])]
    assert [each.relative for each in limits if each] == [1e-3, 0.5]


@pytest.mark.parametrize(
    ("spec", "shared"),
    [("cpu.serial", True), ("cpu.serial:watts_per_thread=2", False), ("cpu.parallel", False)],
)
def test_a_plan_that_is_the_reference_is_prepared_once(make: Made, spec: str, shared: bool) -> None:
    answers = make([spec])
    [proposal] = _rivals(answers).values()
    assert not answers.reference.problem
    runner = answers.build(answers.staged(proposal), answers.outputs)
    assert (runner is answers.build(answers.staged(proposal), answers.outputs)) == shared


def test_what_a_metric_may_lose_excuses_no_node(make: Made) -> None:
    """The tolerance is in the metric's terms, and in full precision nothing is lost."""
    feeds = load_program(MODELS["residual"].proto()).feeds
    metric = Metric("mine", lambda _outputs, _data: 1.0, {}, (feeds,))
    answers = make(["cpu.serial", "lying:how=off"], metric=metric)
    checked = answers.checked([*_rivals(answers).values()], 0.5)
    [wrong] = checked.wrong
    assert wrong.proposal.name == "lying"
    blamed = {fault.node for fault in answers.culprits(checked.wrong, 0.5)}
    assert blamed == {node.name for node in answers.graph.nodes}


@pytest.mark.parametrize("about", ["Relu", "Add"])
def test_the_nodes_to_blame_are_those_that_are_wrong_alone(make: Made, about: str) -> None:
    answers = make(["cpu.serial", f"lying:how=zeros,on={about}"])
    checked = answers.checked([*_rivals(answers).values()], None)
    assert [each.proposal.name for each in checked.built] == ["cpu.serial"]
    operators = {
        node.name: {operator.op for operator in node.operators} for node in answers.graph.nodes
    }
    blamed = {fault.node for fault in answers.culprits(checked.wrong, None)}
    assert blamed == {name for name, found in operators.items() if about in found}
    assert answers.culprits((), None) == ()


def test_where_the_model_minds_nan_every_output_has_to_be_right(make: Made) -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 21]>
        mended (float[4,4] x) => (float[4,4] y) <float zero = {0}>
        { odd = IsNaN(x)  y = Where(odd, zero, x) }"""
    )
    answers = make(["cpu.serial", "lying:how=nan-in"], model)
    checked = answers.checked([*_rivals(answers).values()], None)
    [wrong] = checked.wrong
    assert wrong.inputs.name == "NaN and infinities"
    assert answers.culprits(checked.wrong, None) == ()
