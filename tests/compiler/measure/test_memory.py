"""This machine has some memory."""

from stagecut.compiler.measure.memory import memory_bytes


def test_there_is_as_much_as_the_tests_need() -> None:
    assert memory_bytes() > 2**28
