"""Which inputs and outputs are states, by name and shape."""

import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.decoder.pairs import find_pairs
from stagecut.compiler.ir.errors import ModelError, UsageError
from tests.support.decoders import STATES, tiny_decoder


def _graph(inputs: str, outputs: str) -> ir.Graph:
    """A model that hands on each input as the output at the same place; shapes are not checked."""
    pairs = zip(inputs.split("; "), outputs.split("; "), strict=False)
    names = [(one.split()[-1], other.split()[-1]) for one, other in pairs]
    body = " ".join(f"{other} = Identity({one})" for one, other in names)
    text = f'<ir_version: 10, opset_import: ["": 21]>\ng ({inputs}) => ({outputs}) {{ {body} }}'
    return ir.from_proto(onnx.parser.parse_model(text.replace("; ", ", "))).graph


def _names(graph: ir.Graph) -> list[tuple[str | None, str | None]]:
    return [(past.name, present.name) for past, present in find_pairs(graph, {})]


def test_by_the_usual_names() -> None:
    graph = ir.from_proto(tiny_decoder()).graph
    assert _names(graph) == list(STATES.items())


@pytest.mark.parametrize(
    ("past", "present"), [("past_0", "present_0"), ("past_key_0", "present_key_0")]
)
def test_by_other_usual_names(past: str, present: str) -> None:
    assert _names(_graph(f"float[1,p,4] {past}", f"float[1,t,4] {present}")) == [(past, present)]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ("float[1,p,4] x", "float[1,t,4] y"),
        ("float[1,8,4] past_0", "float[1,9,4] present_0"),
        ("float[1,p,4] past_0", "float[1,t,5] present_0"),
        ("float[1,p,4] past_0", "float[t,4] present_0"),
        ("float[b,p,4] past_0", "float[c,t,4] present_0"),
        ("int64[n] past_0", "int64[n] present_0"),
    ],
    ids=["other names", "nothing open", "another size", "another rank", "two open", "no cache"],
)
def test_what_is_no_decoder(inputs: str, outputs: str) -> None:
    assert _names(_graph(inputs, outputs)) == []


def test_states_that_do_not_pair_up() -> None:
    graph = _graph(
        "float[1,p,4] past_0; float[1,p,4] past_1", "float[1,t,4] present_0; float[1,t,4] present_2"
    )
    with pytest.raises(ModelError, match="inputs past_1; outputs present_2") as caught:
        find_pairs(graph, {})
    assert "--state PAST=PRESENT" in caught.value.fix


def test_pairs_that_are_said() -> None:
    graph = _graph("float[1,p,4] old", "float[1,t,4] new")
    [(past, present)] = find_pairs(graph, {"old": "new"})
    assert (past.name, present.name) == ("old", "new")


@pytest.mark.parametrize(
    ("pair", "problem"),
    [({"x": "new"}, "no input 'x'"), ({"old": "y"}, "no output 'y'")],
    ids=["input", "output"],
)
def test_pairs_that_are_not_there(pair: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        find_pairs(_graph("float[1,p,4] old", "float[1,t,4] new"), pair)
