"""A certificate is believed only where every step of it holds."""

from dataclasses import replace
from fractions import Fraction

import pytest

from stagecut.compiler.ir.errors import CertificateError, UnplaceableError
from stagecut.compiler.ir.stream_certificate import StreamCertificate
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify
from tests.support.streams import random_stream_table

TABLE = random_stream_table(2)
PROOF = Throughput()(TABLE).certificate


def _raised(row: int, by: int) -> StreamCertificate:
    rows = [list(each) for each in PROOF.potentials]
    rows[row] = [value + by for value in rows[row]]
    return replace(PROOF, potentials=tuple(map(tuple, rows)))


def test_the_solver_s_own() -> None:
    verify(TABLE, PROOF)


TAMPERED = {
    "a period that is too long": replace(PROOF, period=PROOF.period * 2),
    "a period a little too long": replace(PROOF, period=PROOF.period + Fraction(1, 1000)),
    "potentials cut short": replace(PROOF, potentials=PROOF.potentials[:-1]),
    "states cut short": replace(PROOF, potentials=tuple(row[:-1] for row in PROOF.potentials)),
    "the first one raised": _raised(0, 1),
    "the last one raised": _raised(-1, 5),
    "the last one lowered": _raised(-1, -1000),
    "no potentials": replace(PROOF, potentials=()),
}


@pytest.mark.parametrize("certificate", TAMPERED.values(), ids=TAMPERED.keys())
def test_what_is_tampered_with(certificate: StreamCertificate) -> None:
    with pytest.raises(CertificateError):
        verify(TABLE, certificate)


@pytest.mark.no_cover
def test_a_period_that_some_pipeline_beats_cannot_be_proved() -> None:
    """The potentials of one table, for another whose best period is shorter, are refused."""
    refused = 0
    for seed in range(40):
        table = random_stream_table(seed)
        try:
            certificate = Throughput()(table).certificate
        except UnplaceableError:
            continue
        if not certificate.period:
            continue
        faster = [
            replace(node, run_s={name: time_s / 2 for name, time_s in node.run_s.items()})
            for node in table.nodes
        ]
        devices = tuple(replace(each, stage_s=each.stage_s / 2) for each in table.machine.devices)
        values = tuple(
            replace(value, transfer_s={key: s / 2 for key, s in value.transfer_s.items()})
            for value in table.values
        )
        changed = replace(
            table,
            nodes=tuple(faster),
            values=values,
            machine=replace(table.machine, devices=devices),
        )
        with pytest.raises(CertificateError):
            verify(changed, certificate)
        refused += 1
    assert refused > 20
