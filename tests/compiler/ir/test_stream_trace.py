"""What a stream did and when."""

from stagecut.compiler.ir.stream_trace import Call, StreamTrace, joined


def test_a_call_takes_from_its_start_to_its_end() -> None:
    assert Call(0, 1, 4, 2.5, 4.0).took_s == 1.5


def test_of_traces_in_one_stages_are_numbered_through() -> None:
    one = StreamTrace(("a", "b"), (Call(1, 0, 1, 0.0, 3.0),))
    other = StreamTrace(("c",), (Call(0, 1, 1, 0.0, 2.0),))
    assert joined([one, other]) == StreamTrace(
        ("a", "b", "c"), (Call(2, 1, 1, 0.0, 2.0), Call(1, 0, 1, 0.0, 3.0))
    )
