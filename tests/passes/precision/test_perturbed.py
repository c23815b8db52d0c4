"""A model with an addition behind values."""

from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Tensor
from stagecut.passes.precision.perturbed import Perturbed
from stagecut.passes.stage.extract import Extractor
from tests.support.products import products


def _run(perturbed: Perturbed, feeds: dict[str, Tensor]) -> Tensor:
    executable = backends.create("cpu.serial").prepare(perturbed.program)
    return executable([feeds[value.name] for value in perturbed.program.inputs])[0]


@pytest.mark.parametrize("name", ["h0", "t1", "t2"])
def test_what_is_added_is_in_what_follows(name: str, tmp_path: Path) -> None:
    """The last value is the model's output, which keeps its name."""
    program = load_program(products())
    [weights] = write_weights([program.model], tmp_path)
    graph, extract = graph_of(program), Extractor(program, weights)
    values = [value for node in graph.nodes for value in node.outputs]
    whole = extract("whole", graph.nodes, graph.outputs)
    perturbed = Perturbed.of(whole, values)
    assert [value.name for value in perturbed.program.outputs] == ["t2"]
    plain = _run(perturbed, perturbed.feeds(program.feeds, {}))
    expected = backends.create("cpu.serial").prepare(whole)([program.feeds["x"]])[0]
    np.testing.assert_allclose(plain, expected, rtol=1e-6)

    change = np.full((4, 32), 0.01, np.float32)
    changed = _run(perturbed, perturbed.feeds(program.feeds, {name: change}))
    x, step = program.feeds["x"], 0
    for step in range(3):
        x = x @ program.model.graph.initializers[f"w{step}"].const_value.numpy()  # type: ignore[union-attr]
        x = x + change if name == f"h{step}" else x
        x = np.tanh(x)
        x = x + change if name == f"t{step}" else x
    np.testing.assert_allclose(changed, x, rtol=1e-4, atol=1e-5)
