"""The published headline figures beside the range that the model gives for them.

What the published baseline, precision and length were is not known, so nothing here is a
reproduction: a range over all that they may have been stands beside each figure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Measured(Protocol):
    """A row of the experiment."""

    @property
    def model(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def tokens(self) -> int: ...
    @property
    def precision(self) -> str: ...
    @property
    def clusters(self) -> int: ...
    @property
    def step(self) -> str: ...
    @property
    def cycles(self) -> float: ...
    @property
    def utilisation_in_use(self) -> float: ...
    @property
    def products(self) -> float | None: ...
    @property
    def gflop_per_j(self) -> float: ...
    @property
    def gflop_per_j_without_hbm(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Headline:
    """A published figure, our range for it, and what is counted otherwise."""

    what: str
    published: float
    low: float
    high: float
    differs: str

    def __str__(self) -> str:
        return (
            f"{self.what}: published {self.published:g}, modelled {self.low:.3g} .. "
            f"{self.high:.3g} ({self.differs})"
        )


_UNKNOWN = "their baseline, precision and length are not known; over all of ours"

_RATIOS = (
    ("speed-up of encoders", 12.8, "encoder"),
    ("speed-up of decoders, all tokens", 16.1, "nar"),
    ("speed-up of decoders, one token", 35.6, "ar"),
)


#: Step -> how what we count there differs from the published figure.
_UTILISATIONS = {
    "as counted": "of the clusters with work, 192 tokens, transfers that disturb no core, as "
    "theirs; attention counted in full",
    "buffered": "197 tokens, transfers disturb cores",
    "found": "the same, with tiles found and not given",
    "near exp": "the same, with constants of the exponential in the scratchpad",
}


def headlines(rows: Sequence[Measured], clusters: int = 16) -> list[Headline]:
    """Over the rows of the published number of clusters; only what these rows can say."""
    here = [row for row in rows if row.clusters == clusters]
    encoders = [row for row in here if row.mode == "encoder"]
    found = [
        _ratio(what, published, here, mode, baseline)
        for what, published, mode in _RATIOS
        for baseline in ("fp64", "the same precision")
    ]
    found += [
        _range(
            f"utilisation of encoders in fp64, %, {step}",
            79.0,
            [row for row in encoders if row.precision == "fp64" and row.step == step],
            lambda row: 100 * row.utilisation_in_use,
            differs,
        )
        for step, differs in _UTILISATIONS.items()
    ]
    found += [
        _range(
            f"utilisation of the products of encoders in fp64, %, {step}",
            79.0,
            [
                row
                for row in encoders
                if row.precision == "fp64" and row.step == step and row.products is not None
            ],
            lambda row: 100 * (row.products or 0.0),
            "products by themselves: no attention, no norms",
        )
        for step in ("buffered", "found")
    ]
    found += [
        _range(
            "GFLOP/J of encoders",
            294.0,
            [row for row in encoders if row.step == "buffered"],
            lambda row: row.gflop_per_j,
            "energy a core-cycle is a guess, between 10 and 21 pJ; buffered",
        ),
        _range(
            "GFLOP/J of encoders without their HBM",
            294.0,
            [row for row in encoders if row.step == "buffered"],
            lambda row: row.gflop_per_j_without_hbm,
            "whether theirs counts the HBM is not known; the same",
        ),
    ]
    return [each for each in found if each is not None]


def _ratio(
    what: str, published: float, rows: Sequence[Measured], mode: str, baseline: str
) -> Headline | None:
    """Of the library in any precision over scalar code, in one or in the same precision."""
    before = [row for row in rows if row.mode == mode and row.step == "baseline"]
    after = [row for row in rows if row.mode == mode and row.step in {"library", "buffered"}]
    ratios = [
        one.cycles / other.cycles
        for one in before
        for other in after
        if (one.model, one.tokens) == (other.model, other.tokens)
        and one.precision == (baseline if baseline == "fp64" else other.precision)
    ]
    named = f"{what} over scalar code in {baseline}"
    return Headline(named, published, min(ratios), max(ratios), _UNKNOWN) if ratios else None


def _range(
    what: str,
    published: float,
    rows: Sequence[Measured],
    value: Callable[[Measured], float],
    differs: str,
) -> Headline | None:
    values = [value(row) for row in rows]
    return Headline(what, published, min(values), max(values), differs) if values else None
