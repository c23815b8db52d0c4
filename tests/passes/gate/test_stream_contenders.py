"""Which streams are compared: replicas of the whole model, and the solver's."""

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.machine import Device
from stagecut.passes.gate.stream_contenders import fastest, replicas_of_all
from stagecut.passes.partition.throughput.throughput import Throughput
from tests.support.streams import stream_table

ONE, TWO = Device("one", "host", resource="cores"), Device("two", "host", resource="cores", cores=2)
PIM = Device("pim", "pim", resource="pim")


def test_as_many_replicas_as_there_is_room_for() -> None:
    table = stream_table("a: one 4, two 3, pim 1\nb(a): one 4, two 3", ONE, TWO, PIM, cores=5)
    found = [*replicas_of_all(table)]
    assert [(str(each.id), each.stream.replicas) for each in found] == [
        ("5 x one", (5,)),
        ("2 x two", (2,)),
    ]  # the PIM cannot run b
    assert [each.account.period_s for each in found] == [8e-6 / 5, 3e-6]
    assert [each.single.id for each in found] == [
        ContenderId(ContenderKind.SINGLE, "one"),
        ContenderId(ContenderKind.SINGLE, "two"),
    ]


def test_none_where_a_single_one_is_too_large() -> None:
    table = stream_table("a: one 4, two 3", ONE, TWO, cores=1)
    assert [str(each.id) for each in replicas_of_all(table)] == ["one"]


def test_the_solver_s() -> None:
    table = stream_table("a: one 4, pim 9\nb(a): one 9, pim 1", ONE, PIM, cores=1)
    solution = Throughput()(table)
    found = fastest(table, solution)
    assert str(found.id) == "optimum"
    assert found.stream is solution.stream
    assert found.single.schedule is solution.stream.schedule
    assert found.single.account.latency_s >= found.account.period_s
