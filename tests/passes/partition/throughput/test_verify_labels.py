"""A proof within limits is believed only where every step of it holds."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from stagecut.compiler.ir.costs import Budget, CostTable
from stagecut.compiler.ir.errors import CertificateError, UnplaceableError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream_certificate import Label, Limit, StreamCertificate, Stretch
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify
from tests.support.streams import (
    every_account,
    heavy,
    random_heavy_table,
    random_limits,
    stream_table,
)

US = 1e-6
TABLE = stream_table(
    "a: one 8, four 12\n b(a): one 8, four 12",
    Device("one", "host", resource="cores"),
    Device("four", "host", resource="cores", batch=4),
    cores=3,
)
PROOF = Throughput((Limit("latency", 29 * US),))(TABLE).certificate


def test_the_solver_s_own() -> None:
    assert len(PROOF.stretches) > 1
    verify(TABLE, PROOF)


def _with(**changes: object) -> StreamCertificate:
    """With the last stretch changed."""
    *first, last = PROOF.stretches
    return replace(PROOF, stretches=(*first, replace(last, **changes)))  # type: ignore[arg-type]


def _raised(respect: int) -> StreamCertificate:
    def raised(label: Label) -> Label:
        return tuple(each + (at == respect) * 10**9 for at, each in enumerate(label))

    labels = PROOF.stretches[-1].labels
    return _with(labels=tuple(tuple(map(raised, some)) for some in labels))


LAST = PROOF.stretches[-1]
TAMPERED = {
    "a period that is too long": replace(PROOF, period=PROOF.period * 2),
    "a stretch up to a period that is too long": replace(
        _with(below=PROOF.period * 2), period=PROOF.period * 2
    ),
    "a period a little too long": replace(_with(below=PROOF.period + 1), period=PROOF.period + 1),
    "no stretches": replace(PROOF, stretches=()),
    "without the first": replace(PROOF, stretches=PROOF.stretches[1:]),
    "without the last": replace(PROOF, stretches=PROOF.stretches[:-1]),
    "in another order": replace(PROOF, stretches=PROOF.stretches[::-1]),
    "a limit that is not its own": replace(PROOF, limits=(Limit("latency", 1.0),)),
    "a limit that the table does not have": replace(
        PROOF, limits=(*PROOF.limits, Limit("weights", 1))
    ),
    "a budget that the table does not have": replace(
        PROOF, limits=(*PROOF.limits, Limit("wear", 1.0))
    ),
    "no limit": replace(PROOF, limits=()),
    "labels cut short": _with(labels=LAST.labels[:-1]),
    "rests cut short": _with(rest=LAST.rest[:-1]),
    "labels of fewer numbers": _with(
        labels=tuple(tuple(label[:-1] for label in some) for some in LAST.labels)
    ),
    "a label of all nodes": _with(labels=(*LAST.labels[:-1], ((0, 0),))),
    "no labels": _with(labels=((),) * len(LAST.labels)),
    "more units": _raised(0),
    "more time": _raised(1),
    "more left to the rest": _with(rest=tuple((each[0] + 1, each[1]) for each in LAST.rest)),
    "nothing left to the rest": _with(rest=((0, 0),) * len(LAST.rest)),
}


@pytest.mark.parametrize("certificate", TAMPERED.values(), ids=TAMPERED.keys())
def test_what_is_tampered_with(certificate: StreamCertificate) -> None:
    with pytest.raises(CertificateError):
        verify(TABLE, certificate)


def test_the_table_s_own_limit() -> None:
    """The host's memory has room for one of the two nodes."""
    npu = Device("npu", "npu")
    table = heavy(
        stream_table("a: one 1, npu 9\n b(a): one 1, npu 9", Device("one", "host"), npu),
        weight_bytes=100,
        size_bytes=1,
        capacity_bytes=150,
    )
    certificate = Throughput()(table).certificate
    assert certificate.limits == (Limit("weights", 150),)
    verify(table, certificate)
    with pytest.raises(CertificateError, match="allows more than 150 B of weights"):
        verify(heavy(table, weight_bytes=100, size_bytes=1, capacity_bytes=200), certificate)


def test_a_budget_of_the_table_s() -> None:
    """One node may run on what wears out."""
    table = stream_table("a: one 1, four 9\n b(a): one 1, four 9", *TABLE.machine.devices, cores=3)
    nodes = tuple(replace(node, uses={"wear": {"one": 1.0}}) for node in table.nodes)
    worn = replace(table, nodes=nodes, budgets=(Budget("wear", 1.5),))
    certificate = Throughput()(worn).certificate
    assert certificate.limits == (Limit("wear", 1.5),)
    verify(worn, certificate)
    with pytest.raises(CertificateError, match=r"allows more than 1\.5 of wear"):
        verify(replace(worn, budgets=(Budget("wear", 2.0),)), certificate)
    with pytest.raises(CertificateError):
        verify(replace(worn, nodes=table.nodes), certificate)  # where nothing wears out


def _faster(table: CostTable) -> CostTable:
    """Everything takes half as long."""
    nodes = (
        replace(node, run_s={name: time_s / 2 for name, time_s in node.run_s.items()})
        for node in table.nodes
    )
    values = (
        replace(value, transfer_s={key: s / 2 for key, s in value.transfer_s.items()})
        for value in table.values
    )
    devices = tuple(replace(each, stage_s=each.stage_s / 2) for each in table.machine.devices)
    machine = replace(table.machine, devices=devices)
    return replace(table, nodes=tuple(nodes), values=tuple(values), machine=machine)


def _lighter(table: CostTable) -> CostTable:
    """Everything weighs nothing."""
    return heavy(table, weight_bytes=0, size_bytes=0)


@pytest.mark.no_cover
@pytest.mark.parametrize("easier", [_faster, _lighter])
def test_a_period_that_some_pipeline_beats_cannot_be_proved(
    easier: Callable[[CostTable], CostTable],
) -> None:
    """The proof of one table, for another on which a shorter period can be kept, is refused."""
    refused = 0
    for seed in range(30):
        table = random_heavy_table(seed)
        accounts = every_account(table)
        if not accounts:
            continue
        limits = random_limits(accounts, seed)
        try:
            certificate = Throughput(limits)(table).certificate
            shorter = Throughput(limits)(easier(table)).certificate
        except UnplaceableError:
            continue
        if certificate.stretches and shorter.period_s < certificate.period_s * (1 - 1e-6):
            with pytest.raises(CertificateError):
                verify(easier(table), certificate)
            refused += 1
    assert refused > 2


def test_stretches_that_overlap() -> None:
    stretches = (*PROOF.stretches, replace(LAST, below=Fraction(1)))
    with pytest.raises(CertificateError, match="ends before it begins"):
        verify(TABLE, replace(PROOF, stretches=stretches, period=Fraction(1)))


def test_labels_may_be_lower_than_they_need_be() -> None:
    """Where nothing is left of them for all nodes, they prove as much."""
    *first, last = PROOF.stretches
    lower = tuple((0, 0) for _ in last.rest)
    halved = Stretch(last.below, last.labels, (*last.rest[:-1], lower[-1]))
    verify(TABLE, replace(PROOF, stretches=(*first, halved)))
