"""What a session tells of its plan: as ONNX Runtime says it, which test_session.py compares."""

import pytest

from stagecut.compiler.ir.graph import ANY_RANK
from stagecut.compiler.ir.port import Port
from stagecut.runtime.metadata import NodeArg

PORTS = {
    "sizes": (Port("x", "float32", (1, 128)), [1, 128], "tensor(float)"),
    "open": (Port("x", "int64", (1, 128), dims=("batch", "?")), ["batch", None], "tensor(int64)"),
    "of any rank": (Port("x", "float64", (1,), dims=ANY_RANK), [], "tensor(double)"),
}


@pytest.mark.parametrize(("port", "shape", "type_"), PORTS.values(), ids=PORTS.keys())
def test_sizes_and_types(port: Port, shape: list[int | str | None], type_: str) -> None:
    assert NodeArg.of(port) == NodeArg("x", shape, type_)
