"""What streams are called in the comparison."""

from dataclasses import replace
from typing import cast

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import stream_account, stream_of
from stagecut.compiler.stream_entry import Entry, named, singles
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal, proposal_of
from stagecut.passes.gate.stream_contenders import StreamProposal, replicas_of_all
from tests.support.streams import stream_table

TABLE = stream_table(
    "a: one 4, two 3\nb(a): one 4, two 3",
    Device("one", "host", resource="cores"),
    Device("two", "host", resource="cores", cores=2),
    cores=3,
)
WHOLE, _ = replicas_of_all(TABLE)


def _pipeline(first: str, second: str) -> StreamProposal:
    stream = stream_of(TABLE, [Stage(first, ("a",)), Stage(second, ("b",))], (1, 1))
    id_ = ContenderId(ContenderKind.OPTIMUM)
    single = Proposal(id_, stream.schedule, account(TABLE, stream.schedule))
    return StreamProposal(id_, single, stream, stream_account(TABLE, stream))


def _called(optimum: StreamProposal, *proposals: StreamProposal) -> list[tuple[str, list[str]]]:
    entries = [Entry(each, cast("Built", None)) for each in proposals]
    found = [*named(entries, optimum)]
    for each in found:
        single = [proposal.single for proposal in (one.proposal for one in found)]
        assert proposal_of(single, each.proposal.id).schedule == each.proposal.stream.schedule
    return [(str(each.proposal.id), [*map(str, each.proposal.also)]) for each in found]


def test_every_answer_of_the_solver_takes_part() -> None:
    first, second, third = _pipeline("one", "two"), _pipeline("two", "one"), _pipeline("one", "one")
    hosted = replace(first, id=replace(first.id, hosting="processes"), hosting="processes")
    assert _called(third, WHOLE, first, second, third, hosted) == [
        ("3 x one", []),
        ("earlier optimum 1", []),
        ("earlier optimum 2", []),
        ("optimum", []),
        ("earlier optimum 1 in processes", []),
    ]


def test_a_device_alone_that_is_the_optimum_goes_by_its_name() -> None:
    optimum = replace(WHOLE, id=ContenderId(ContenderKind.OPTIMUM))
    hosted = replace(WHOLE, id=replace(WHOLE.id, hosting="processes"), hosting="processes")
    assert _called(optimum, WHOLE, _pipeline("one", "two"), optimum, hosted) == [
        ("3 x one", ["optimum"]),
        ("3 x one in processes", ["optimum in processes"]),
        ("earlier optimum 1", []),
    ]


def test_a_configured_device_is_not_the_optimum() -> None:
    optimum = replace(WHOLE, id=ContenderId(ContenderKind.OPTIMUM))
    configured = replace(WHOLE, id=replace(WHOLE.id, configuration="pinning=on"))
    assert _called(optimum, WHOLE, configured) == [
        ("3 x one", ["optimum"]),
        ("3 x one (pinning=on)", []),
    ]


def test_what_an_input_does_is_told_once() -> None:
    """Wherever the replicas are, and in whatever configuration."""
    hosted = replace(WHOLE, id=replace(WHOLE.id, hosting="processes"), hosting="processes")
    configured = replace(WHOLE, id=replace(WHOLE.id, configuration="pinning=on"))
    proposals = [WHOLE, hosted, configured, _pipeline("one", "two"), _pipeline("two", "one")]
    entries = [Entry(each, cast("Built", None)) for each in proposals]
    found = singles([*named(entries, proposals[-1])])
    assert [str(each.id) for each in found] == ["one", "earlier optimum 1", "optimum"]
