"""What `partition --check` says of a stream whose proof was accepted, in a line and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stagecut.compiler.ir.errors import CertificateError
from stagecut.compiler.ir.solution import meets
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.ir.units import seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """No stream in `scope` and within `limits` has a period below `least_period_s`. The one that is
    there has `period_s`; `beyond` says how it exceeds the limits, empty where it keeps to them."""

    scope: str
    limits: tuple[Limit, ...]
    least_period_s: float
    period_s: float
    beyond: str

    def document(self) -> dict[str, object]:
        return {
            "accepted": True,
            "scope": self.scope,
            "limits": [{"name": limit.name, "most": limit.most} for limit in self.limits],
            "within_limits": not self.beyond,
            "least_period_s": self.least_period_s,
            "period_s": self.period_s,
        }

    def line(self) -> str:
        within = "".join(f" and {limit}" for limit in self.limits)
        return (
            f"certificate accepted: nothing within {self.scope!r}{within} has a period "
            f"below {seconds(self.least_period_s)}; {self._of_the_stream}"
        )

    @property
    def _of_the_stream(self) -> str:
        if self.beyond:
            return f"the stream {self.beyond}"
        if meets(self.period_s, self.least_period_s):
            return "the stream has it"
        return f"the stream's is {seconds(self.period_s)}"


def told(
    verdicts: Sequence[Verdict], profiled: Sequence[str]
) -> tuple[dict[str, object], Iterator[str]]:
    """For JSON, and in lines: of one, or of all variants of a plan, `profiled` at these shapes."""
    document = verdicts[0].document()
    if len(verdicts) == 1:
        return document, iter([verdicts[0].line()])
    together = [*zip(profiled, verdicts, strict=True)]
    each = [{"profiled": shapes, **verdict.document()} for shapes, verdict in together]
    lines = (f"{shapes}: {verdict.line()}" for shapes, verdict in together)
    return {**document, "variants": each}, lines


def not_for_streams(path: Path) -> CertificateError:
    """The plan there was compiled for something else."""
    return CertificateError(
        "was not made for streams, and holds no proof about them",
        where=str(path),
        fix="compile it with --objective throughput",
    )
