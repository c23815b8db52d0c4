"""`stagecut partition --objective throughput --check`: what a proof in a file or a plan proves.

stream.json      its certificate, and the figures beside it
a plan           those of each of its variants, by its own costs; and what the plan says of them
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stagecut.compiler.cli.stream_verdict import Verdict, not_for_streams, told
from stagecut.compiler.cli.tables import Given
from stagecut.compiler.formats.stream_json import StoredStream, parse_stream, read_stream
from stagecut.compiler.ir.batching import in_batches, stacked
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CertificateError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.schedule import Schedule, Stage
from stagecut.compiler.ir.solution import Certificate, meets
from stagecut.compiler.ir.stream import StreamAccount, StreamSchedule, stream_account
from stagecut.compiler.ir.stream_certificate import StreamCertificate
from stagecut.compiler.ir.units import seconds
from stagecut.passes.partition.throughput.verify import verify

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Proved:
    """A stream whose certificate is a proof."""

    stream: StreamSchedule
    certificate: StreamCertificate
    account: StreamAccount

    @property
    def exceeded(self) -> list[str]:
        """The limits of the proof that the stream itself does not keep to."""
        return [
            str(limit)
            for limit in self.certificate.limits
            if not limit.allows(self.account.taken(limit.name))
        ]

    @property
    def verdict(self) -> Verdict:
        proved, exceeded = self.certificate, self.exceeded
        beyond = f"exceeds {' and '.join(exceeded)}" if exceeded else ""
        return Verdict(proved.scope, proved.limits, proved.period_s, self.account.period_s, beyond)


def checked(
    pairs: Sequence[tuple[CostTable, Given]],
) -> tuple[dict[str, object], Iterator[str]]:
    """What is proved of streams, each by a table: one, or those of all variants of a plan, for JSON
    and in lines. Raises CertificateError for the first that is not proved, or of which something
    else is said."""
    proofs = [_proved(table, given) for table, given in pairs]
    variants = [given.variant.planned for _, given in pairs if given.variant is not None]
    if len(variants) == len(proofs):
        _check_said(variants, proofs, pairs[0][1].path)
    profiled = [planned.profiled for planned in variants]
    return told([proof.verdict for proof in proofs], profiled)


def _proved(table: CostTable, given: Given) -> Proved:
    stored = _stored(table, given)
    verify(table, stored.certificate)
    account = stream_account(table, stored.stream)
    certificate = stored.certificate
    if certificate.period and not certificate.tells(len(table.nodes), account.period_s):
        raise CertificateError(
            f"its ticks of {certificate.tick_s:g} s are too coarse for a period of "
            f"{seconds(account.period_s)}",
            where=str(given.path),
            fix="solve the table again without what takes so much longer",
        )
    misfit = stored.misfit(account)
    if misfit:
        raise CertificateError(
            f"its proof holds, but beside it {misfit}",
            where=str(given.path),
            fix="solve the table again; or leave such figures out",
        )
    return Proved(stored.stream, certificate, account)


def _stored(table: CostTable, given: Given) -> StoredStream:
    path, variant = given.path, given.variant
    if variant is None:
        return read_stream(path, table)
    if variant.stream is None:
        raise not_for_streams(path)
    return parse_stream(variant.stream, table, path)


def _check_said(variants: Sequence[PlannedVariant], proofs: Sequence[Proved], path: "Path") -> None:
    """Raises CertificateError where a plan says something else of a variant than is proved: of one
    that streams in batches, by input, what is proved of the variant for full batches; of one whose
    stages differ in that, what is proved of itself, and that it is this stream."""
    found = {_shapes(planned): proof for planned, proof in zip(variants, proofs, strict=True)}
    for planned in variants:
        stream = planned.stream
        mixes = stream is not None and stream.mixes
        size = 1 if stream is None or mixes else stream.batch
        proof = found.get(stacked(_shapes(planned), size))
        if (
            proof is None
            or not _is_said(planned.certificate, proof, size)
            or not (stream is None or not mixes or _is_streamed(planned.schedule, stream, proof))
        ):
            raise CertificateError(
                f"what the plan says of its variant for {planned.profiled} is not what is proved",
                where=str(path),
                fix="compile it again",
            )


def _is_said(said: Certificate, proof: Proved, size: int) -> bool:
    certificate = proof.certificate
    claim = certificate.claim if size == 1 else f"of batches of {size}, {certificate.claim}"
    pairs = ((said.total, proof.account.period_s), (said.lower_bound, certificate.lower_bound_s))
    return said.claim == claim and all(
        meets(one * size, other) and meets(other, one * size) for one, other in pairs
    )


def _is_streamed(schedule: Schedule, stream: PlannedStream, proof: Proved) -> bool:
    """Whether a plan's stages, with as many replicas and inputs in a call, are those of the proof,
    and come to what it says of them."""
    pairs = zip(schedule.stages, stream.batches, strict=True)
    stages = [Stage(in_batches(stage.device, size), stage.nodes) for stage, size in pairs]
    known, account = proof.stream, proof.account
    return (
        stages == [*known.schedule.stages]
        and stream.replicas == known.replicas
        and all(
            meets(one, other) and meets(other, one)
            for one, other in (
                (stream.period_s, account.period_s),
                (stream.latency_s, account.latency_s),
            )
        )
    )


def _shapes(planned: PlannedVariant) -> tuple[tuple[int, ...], ...]:
    return tuple(port.shape for port in planned.inputs)
