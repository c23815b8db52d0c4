"""Tensors at borders: their declared sizes, and what stages call them."""

from stagecut.compiler.ir.port import InputPort, Port


def test_sizes_that_a_model_leaves_open_go_by_their_names() -> None:
    assert Port("x", "float32", (1, 128)).declared == (1, 128)
    assert Port("x", "float32", (1, 128), dims=(1, "seq")).declared == (1, "seq")


def test_an_input_that_is_handed_back_has_another_name_inside() -> None:
    assert InputPort("x", "float32", (1,)).inside == "x"
    assert InputPort("x", "float32", (1,), value="x_1").inside == "x_1"
