"""Who reads another value, and who does not."""

import onnx_ir as ir

from stagecut.passes.rewrite.redirect import redirect


def test_those_that_are_named_read_it_at_every_place() -> None:
    value, other = ir.Value(name="x"), ir.Value(name="y")
    kept, once, twice = (ir.node("Add", inputs) for inputs in ([value], [value], [value, value]))
    redirect(value, {once, twice}, other)
    assert [*kept.inputs] == [value]
    assert [*once.inputs] == [other]
    assert [*twice.inputs] == [other, other]
    assert [use.node for use in value.uses()] == [kept]
