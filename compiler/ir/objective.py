"""What is minimised: time, energy, or a weighted sum of both; or the period of a stream."""

from dataclasses import dataclass

from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.units import seconds


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised: `per_s` * seconds + `per_j` * joules, of which not both are 0.

    The seconds are those of a run; of a stream, those from one input to the next.
    """

    per_s: float = 1.0
    per_j: float = 0.0
    streams: bool = False

    def __post_init__(self) -> None:
        weights = (self.per_s, self.per_j)
        if not (all(0 <= weight <= MOST for weight in weights) and any(weights)):
            raise UsageError(
                f"the weights of time and energy are at most {MOST:g}, not negative, and not both "
                "0",
                where=f"objective {self}",
                fix="for example latency=1,energy=0.5",
            )

    def price(self, time_s: float, energy_j: float | None) -> float:
        """What this much time and energy counts for; the energy is known if it has a price."""
        if not self.per_j:
            return self.per_s * time_s
        if energy_j is None:
            raise AssertionError("energies are checked before anything is priced")
        return self.per_s * time_s + self.per_j * energy_j

    def text(self, amount: float) -> str:
        """An amount in this objective's unit, for people."""
        if self in {LATENCY, THROUGHPUT}:
            return seconds(amount)
        return f"{amount:.3g} J" if self == ENERGY else f"{amount:.4g}"

    def __str__(self) -> str:
        names = {objective: name for name, objective in _NAMED.items()}
        return names.get(self, f"latency={self.per_s:g},energy={self.per_j:g}")


LATENCY = Objective()
ENERGY = Objective(per_s=0.0, per_j=1.0)
THROUGHPUT = Objective(streams=True)
_NAMED = {"latency": LATENCY, "energy": ENERGY, "throughput": THROUGHPUT}


def parse_objective(text: str) -> Objective:
    """`latency`, `energy` or a weighted sum, `latency=1,energy=0.5`, or `throughput`; raises
    UsageError."""
    if text in _NAMED:
        return _NAMED[text]
    weights = {"latency": 0.0, "energy": 0.0}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] += float(weight)
        except (KeyError, ValueError):
            raise UsageError(
                f"{part!r} is not part of an objective",
                where=f"objective {text}",
                fix="write latency, energy, weights for both: latency=1,energy=0.5, throughput, "
                "or, to compile a decoder, generate:prompt=512,new=128",
            ) from None
    return Objective(weights["latency"], weights["energy"])
