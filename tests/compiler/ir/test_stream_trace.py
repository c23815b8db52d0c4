"""What a stream did and when."""

from stagecut.compiler.ir.stream_trace import Call


def test_a_call_takes_from_its_start_to_its_end() -> None:
    assert Call(0, 1, 4, 2.5, 4.0).took_s == 1.5
