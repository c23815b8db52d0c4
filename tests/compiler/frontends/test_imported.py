"""What somebody who makes a plan of an imported model has to know."""

import onnx_ir as ir

from stagecut.compiler.frontends.imported import Change, Imported


def imported(*changes: Change, unchecked: str = "") -> Imported:
    model = ir.Model(ir.Graph([], [], nodes=[]), ir_version=10)
    return Imported("m", model, {}, "m.pt2", changes=changes, unchecked=unchecked)


def test_a_model_that_only_returns_needs_no_words() -> None:
    assert list(imported().warnings()) == []


def test_changes_are_told_with_the_outputs_that_stand_for_them() -> None:
    buffers = [Change("buffer", f"b{at}", f"b{at}_after") for at in range(6)]
    told = list(imported(Change("input", "x", "x_after"), *buffers).warnings())
    assert told == [
        "m.pt2 changes what it is given (x): a plan leaves its inputs as they are, and returns "
        "what they would hold as x_after",
        "m.pt2 changes what it holds (b0, b1, b2, b3, and 2 more): every run of a plan starts from "
        "what it holds now, and returns what it would hold as b0_after, b1_after, b2_after, "
        "b3_after, and 2 more",
    ]


def test_a_model_that_is_not_checked_says_why() -> None:
    assert list(imported(unchecked="no kernel").warnings()) == [
        "m.pt2: its ONNX form could not be checked: no kernel"
    ]
