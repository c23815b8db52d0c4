"""Binding the shapes of inputs: symbols, samples, and what is said when they do not fit."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.shapes import bind_shapes, free_open_dimensions, misnamed
from stagecut.compiler.ir.errors import ShapeError

Declared = Mapping[str, Sequence[int | str | None] | None]
Given = Mapping[str, tuple[int, ...]]


def _inputs(declared: Declared) -> list[ir.Value]:
    return [
        ir.Value(name=name, shape=None if dims is None else ir.Shape(dims))
        for name, dims in declared.items()
    ]


def _samples(shapes: Given) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


IDS: Declared = {"ids": ["batch", "seq"], "mask": ["batch", "seq"]}

BOUND: dict[str, tuple[Declared, Given, Given, Given]] = {
    "fixed dimensions need nothing": ({"x": [2, 3]}, {}, {}, {"x": (2, 3)}),
    "a scalar has no dimensions": ({"x": []}, {}, {}, {"x": ()}),
    "zero is a size": ({"x": ["n", 3]}, {"x": (0, 3)}, {}, {"x": (0, 3)}),
    "one input binds the symbols of another": (
        IDS,
        {"mask": (1, 128)},
        {},
        {"ids": (1, 128), "mask": (1, 128)},
    ),
    "what is asked for goes before a sample": (
        IDS,
        {"ids": (1, 128)},
        {"ids": (2, 16), "mask": (2, 16)},
        {"ids": (1, 128), "mask": (1, 128)},
    ),
    "a sample binds what nobody asked for": (
        {"a": ["n"], "b": ["m"]},
        {"a": (3,)},
        {"b": (4,)},
        {"a": (3,), "b": (4,)},
    ),
    "a sample binds a dimension without a name": (
        {"x": ["n", None]},
        {},
        {"x": (2, 3)},
        {"x": (2, 3)},
    ),
    "a sample binds a shape of unknown rank": ({"x": None}, {}, {"x": (2, 3)}, {"x": (2, 3)}),
    "asking binds a shape of unknown rank": ({"x": None}, {"x": (2, 3)}, {}, {"x": (2, 3)}),
    "symbols can be calculated with": (
        {"past": ["p"], "all": ["p + 1"], "twice": ["2*p"]},
        {"past": (7,)},
        {},
        {"past": (7,), "all": (8,), "twice": (14,)},
    ),
    "a symbol may be any text": ({"x": ["batch size"]}, {"x": (3,)}, {}, {"x": (3,)}),
}


@pytest.mark.parametrize(
    ("declared", "asked", "samples", "expected"), BOUND.values(), ids=BOUND.keys()
)
def test_binds(declared: Declared, asked: Given, samples: Given, expected: Given) -> None:
    inputs = _inputs(declared)
    assert bind_shapes(inputs, asked, _samples(samples)) == expected
    assert {value.name: value.shape for value in inputs} == expected


REFUSED: dict[str, tuple[Declared, Given, str, str]] = {
    "an open symbol": (
        {"ids": ["batch", "seq"]},
        {},
        "input ids: batch, seq of its shape batchxseq is not bound",
        "add --shape ids=1x128, or",
    ),
    "an open symbol beside fixed dimensions": (
        {"image": ["n", 3, 224, 224]},
        {},
        "input image: n of its shape nx3x224x224 is not bound",
        "add --shape image=1x3x224x224, or",
    ),
    "symbols that several inputs share": (
        {**IDS, "past": ["batch", "p", 64]},
        {},
        "input ids: batch, seq of its shape batchxseq is not bound",
        "add --shape ids=1x128 --shape past=1x128x64, or",
    ),
    "a symbol that stands twice": (
        {"square": ["n", "n"]},
        {},
        "input square: n, n of its shape nxn is not bound",
        "add --shape square=1x1, or",
    ),
    "a dimension without a name": (
        {"x": [4, None]},
        {},
        "input x: ? of its shape 4x? is not bound",
        "add --shape x=4x128, or",
    ),
    "a symbol that is no arithmetic": (
        {"x": ["batch size"]},
        {},
        "input x: batch size of its shape batch size is not bound",
        "add --shape x=1, or",
    ),
    "an unknown rank": (
        {"x": None},
        {},
        "input x: its shape is not known",
        "add --shape x=1x128, or",
    ),
    "an input that is not there": (
        {"x": [1], "z": [1]},
        {"y": (1,)},
        "input y: the model has no such input",
        "its inputs are x, z",
    ),
    "another rank": (
        {"x": ["n", 3]},
        {"x": (1, 2, 3)},
        "input x: x=1x2x3 does not fit nx3",
        "give 2 sizes",
    ),
    "a negative size": ({"x": ["n"]}, {"x": (-1,)}, "input x: x=-1 does not fit n", "negative"),
    "a fixed dimension": (
        {"x": ["n", 3]},
        {"x": (1, 4)},
        "input x: x=1x4 sets dimension 1 to 4, but the model fixes it to 3",
        "give 3, or export the model with that dimension dynamic",
    ),
    "one symbol with two sizes": (
        IDS,
        {"ids": (1, 128), "mask": (1, 64)},
        "input mask: mask=1x64 sets 'seq' to 64, but ids=1x128 sets it to 128",
        "give 'seq' one size",
    ),
}


@pytest.mark.parametrize(
    ("declared", "asked", "problem", "fix"), REFUSED.values(), ids=REFUSED.keys()
)
def test_refuses(declared: Declared, asked: Given, problem: str, fix: str) -> None:
    with pytest.raises(ShapeError) as refused:
        bind_shapes(_inputs(declared), asked, {})
    assert str(refused.value).startswith(problem)
    assert fix in refused.value.fix


def test_the_suggested_shapes_do_bind() -> None:
    declared: Declared = {**IDS, "past": ["batch", "p", 64], "any": None}
    with pytest.raises(ShapeError) as refused:
        bind_shapes(_inputs(declared), {}, {})
    flags = refused.value.fix.removeprefix("add --shape ").partition(",")[0].split(" --shape ")
    asked = {
        name: tuple(map(int, sizes.split("x")))
        for name, _, sizes in (flag.partition("=") for flag in flags)
    }
    assert bind_shapes(_inputs(declared), asked, {})["mask"] == (1, 128)


@pytest.mark.parametrize("name", ["?", "None", "-1", "unk", "", "-1 "])
def test_what_exporters_call_open_dimensions(name: str) -> None:
    x = ir.Value(name="x", shape=ir.Shape([-1, 3, name, name]))
    free_open_dimensions(ir.Graph([x], [], nodes=[]))
    assert bind_shapes([x], {"x": (2, 3, 5, 7)}, {}) == {"x": (2, 3, 5, 7)}


def test_names_that_have_two_sizes_are_none() -> None:
    x = ir.Value(name="x", shape=ir.Shape(["n", "n", "m"]))
    y = ir.Value(name="y", shape=ir.Shape(["m", "k"]))
    graph = ir.Graph([x, y], [], nodes=[])
    given = _samples({"x": (2, 3, 4), "y": (4, 5), "z": (1,)})
    assert misnamed(graph, given) == {"n"}
    assert misnamed(graph, {"x": given["x"][:2, :2]}) == frozenset()
    free_open_dimensions(graph, {"n"})
    assert x.shape == ir.Shape([None, None, "m"])
