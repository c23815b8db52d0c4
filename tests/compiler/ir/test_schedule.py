"""The order of a run, drawn: which copies before which stage, and what is let go when."""

from collections.abc import Sequence

import onnx_ir as ir
import pytest

from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.schedule import Stage
from stagecut.runtime.schedule import schedule

MEMORIES = {"cpu": "host", "pim": "pim", "far": "far"}

#: "device: inputs -> outputs" for each stage, and the model's outputs.
CASES = {
    "stages in one memory hand over for nothing": (
        ["cpu: x -> a", "cpu: a -> y"],
        "y",
        """
        run   stage 0 on cpu: (x@host) -> (a@host)   release x@host
        run   stage 1 on cpu: (a@host) -> (y@host)   release a@host
        """,
    ),
    "a value goes over once for two readers": (
        ["cpu: x -> a", "pim: a -> b", "cpu: b -> c", "pim: a, c -> y"],
        "y",
        """
        run   stage 0 on cpu: (x@host) -> (a@host)   release x@host
        move  a: host > pim   release a@host
        run   stage 1 on pim: (a@pim) -> (b@pim)
        move  b: pim > host   release b@pim
        run   stage 2 on cpu: (b@host) -> (c@host)   release b@host
        move  c: host > pim   release c@host
        run   stage 3 on pim: (a@pim, c@pim) -> (y@pim)   release a@pim, c@pim
        move  y: pim > host   release y@pim
        """,
    ),
    "an input that two memories read is moved to one of them": (
        ["cpu: x -> a", "pim: x -> b", "cpu: a, b -> y"],
        "y",
        """
        run   stage 0 on cpu: (x@host) -> (a@host)
        move  x: host > pim   release x@host
        run   stage 1 on pim: (x@pim) -> (b@pim)   release x@pim
        move  b: pim > host   release b@pim
        run   stage 2 on cpu: (a@host, b@host) -> (y@host)   release a@host, b@host
        """,
    ),
    "without a direct link, a value goes by way of another memory": (
        ["pim: x -> a", "far: a -> y"],
        "y",
        """
        move  x: host > pim   release x@host
        run   stage 0 on pim: (x@pim) -> (a@pim)   release x@pim
        move  a: pim > host   release a@pim
        move  a: host > far   release a@host
        run   stage 1 on far: (a@far) -> (y@far)   release a@far
        move  y: far > host   release y@far
        """,
    ),
    "an output that is read on is kept to the end": (
        ["cpu: x -> y", "cpu: y -> z"],
        "y, z",
        """
        run   stage 0 on cpu: (x@host) -> (y@host)   release x@host
        run   stage 1 on cpu: (y@host) -> (z@host)
        """,
    ),
    "what nobody reads is let go at once": (
        ["cpu: x -> y, unused"],
        "y",
        """
        run   stage 0 on cpu: (x@host) -> (y@host, unused@host)   release x@host, unused@host
        """,
    ),
}


@pytest.mark.parametrize(("stages", "outputs", "expected"), CASES.values(), ids=CASES.keys())
def test_schedule(stages: list[str], outputs: str, expected: str) -> None:
    steps = schedule([_stage(text) for text in stages], MEMORIES, _names(outputs), _by_way_of_host)
    lines = [f"{step}{_released(step.release)}" for step in steps]
    assert lines == [line.strip() for line in expected.strip().splitlines()]


def _released(held: Sequence[object]) -> str:
    return f"   release {', '.join(map(str, held))}" if held else ""


def _by_way_of_host(value: Value, source: str, target: str) -> Sequence[str]:
    return (source, target) if "host" in {source, target} else (source, "host", target)


def _stage(text: str) -> Stage:
    device, _, rest = text.partition(": ")
    inputs, _, outputs = rest.partition(" -> ")
    model = ir.Model(ir.Graph([], [], nodes=[]), ir_version=10)
    program = StageProgram("drawn", model, _values(inputs), _values(outputs))
    return Stage(device, ("n",), program)


def _values(text: str) -> tuple[Value, ...]:
    return tuple(Value(name, "float32", (2,)) for name in _names(text))


def _names(text: str) -> list[str]:
    return text.split(", ")
