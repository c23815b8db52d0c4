"""Where every node goes, and the proof of how good that is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assignment:
    """Node name -> device name, in the graph's order."""

    devices: Mapping[str, str]

    def __getitem__(self, node: str) -> str:
        return self.devices[node]

    def __iter__(self) -> Iterator[str]:
        return iter(self.devices)

    def __str__(self) -> str:
        return "\n".join(f"{node} -> {device}" for node, device in self.devices.items())


@dataclass(frozen=True, slots=True)
class Certificate:
    """The proof: no assignment can cost less than `lower_bound`, and this one costs `total`.

    Both are in the objective's unit (seconds for `latency`). `width` is the largest number of
    variables that the elimination had to look at together, less one; None for methods without one.
    `proof` says where the bound comes from.
    """

    method: str
    total: float
    lower_bound: float
    exact: bool
    width: int | None = None
    proof: str = ""

    @property
    def gap(self) -> float:
        """How much of the total might still be saved, as a fraction; 0 when it is optimal."""
        if self.exact or self.total <= self.lower_bound:
            return 0.0  # an exact total may be off its bound by rounding
        return 1 - self.lower_bound / self.total

    def __str__(self) -> str:
        proof = "optimal" if self.exact else f"within {self.gap:.2%} of the optimum"
        return f"{self.method}: total {self.total:.9g}, bound {self.lower_bound:.9g}, {proof}"
