"""One operator in a form, prepared for a device."""

from stagecut import backends
from stagecut.compiler.ir.device import Executable
from tests.support.operators.case import inferred, placed
from tests.support.operators.schemas import Form, case_of


def prepared(spec: str, op: str, asked: Form, *, opened: bool = False) -> Executable:
    """Of ONNX 18; `opened` leaves its sizes open."""
    model = case_of(op, 18, asked).model()
    results = inferred(model)
    assert results is not None
    _, stage = placed(model, results, opened=opened)
    return backends.create(spec).prepare(stage)
