"""A loop is refused where one sees that it never ends, and only there."""

import onnx.parser
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.normal_form.endless import refuse_endless
from stagecut.compiler.ir.errors import ModelError


def _loop(trips: str, condition: str, body: str) -> ir.Node:
    """`trips` and `condition` are what the loop reads; `body` writes `d` from `i` and `c`."""
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 18]> g (float x, bool b, int64 n) => (y)
        <int64 few = {{1000000000}}, int64 many = {{1000000001}}, bool on = {{1}}, bool off = {{0}}>
        {{ y = Loop({trips}, {condition}, x)
           <body = t (int64 i, bool c, float v) => (bool d, float w)
           {{ {body}  w = Neg(v) }}> }}"""
    )
    [node] = ir.from_proto(model).graph
    return node


ENDLESS = {
    "no number of turns": ("", "on", "d = Identity(c)"),
    "no condition": ("many", "", "d = Identity(c)"),
    "neither": ("", "", "d = Identity(c)"),
    "more turns than anybody waits for": ("many", "on", "e = Identity(c)  d = Identity(e)"),
    "a condition that is always true": ("", "on", "d = Constant<value = bool {1}>()"),
    "one from outside": ("", "on", "d = Identity(on)"),
}
ENDS = {
    "after so many turns": ("few", "on", "d = Identity(c)"),
    "after as many turns as are asked for": ("n", "on", "d = Identity(c)"),
    "before it begins": ("many", "off", "d = Identity(c)"),
    "where it is told to": ("many", "b", "d = Identity(c)"),
    "by what it computes": ("", "on", "d = Not(c)"),
    "after one turn": ("", "on", "d = Constant<value = bool {0}>()"),
    "by something from outside": ("", "on", "d = Identity(b)"),
}


@pytest.mark.parametrize(("trips", "condition", "body"), ENDLESS.values(), ids=ENDLESS.keys())
def test_what_never_ends(trips: str, condition: str, body: str) -> None:
    with pytest.raises(ModelError, match="as nothing in it changes its condition"):
        refuse_endless(_loop(trips, condition, body))


@pytest.mark.parametrize(("trips", "condition", "body"), ENDS.values(), ids=ENDS.keys())
def test_what_may_end(trips: str, condition: str, body: str) -> None:
    refuse_endless(_loop(trips, condition, body))


def test_other_operators() -> None:
    refuse_endless(ir.node("Neg", [ir.Value(name="x")]))
