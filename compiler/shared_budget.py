"""One budget of errors for all entries of a decoder: who may be off by how much of it.

What a tolerance is about is the answer. Its error, squared, is that of the prompt's run and that of
a step, squared, as errors that have nothing to do with each other add up; its time is the prompt's
and that of so many steps. So the least time within the budget is one partition, of the entries'
graphs side by side:

    least   prefill_s(x) + (new - 1) x decode_s(y)
    where   prefill_error(x)² + decode_error(y)² <= e²

    prefill    f32 everywhere: few bits would be slower    its share: a thousandth, for roundings
    decode     int8 where that pays most                   its share: the rest

The entries are then compiled one by one, each within its share; what one leaves of it, as it was
measured on held-out samples, is for those that come after it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from stagecut.compiler.decide import with_errors_of
from stagecut.compiler.effort import SEARCH_S
from stagecut.compiler.entries import Entry, residents_of
from stagecut.compiler.error_budget import ErrorBudget, refused
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import (
    AllFailedError,
    EngineError,
    ToleranceError,
    UnplaceableError,
)
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.plan import PlannedEntry, PlannedVariant
from stagecut.compiler.ir.precision import SharedBudget
from stagecut.compiler.ir.residents import NO_RESIDENTS
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.state import DECODE, PREFILL, Decoding
from stagecut.compiler.question import Priced, Question
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.side_by_side import Part, side_by_side

#: What an entry may be off by in any case, squared, or this part of what all may: roundings.
_ROUNDING, _PART = 1e-6, 0.02


@dataclass(frozen=True, slots=True)
class Shares:
    """`prices` are of each entry's first program, none where something failed."""

    shared: SharedBudget
    prices: Mapping[str, Priced]

    def asked(self, question: Question, planned: Mapping[str, PlannedEntry]) -> Question:
        """The question about one entry, within what those that are `planned` leave it."""
        shares = self.shared.shares
        left = self.shared.tolerance**2 - math.fsum(map(_spent, planned.values()))
        others = math.fsum(share**2 for name, share in shares.items() if name not in planned)
        share = shares[question.entry] * math.sqrt(max(0.0, left) / others)
        known = self.prices.get(question.entry)
        same = known is not None and known.measurements.residents == question.residents
        return replace(question, tolerance=share, prices=known if same else None)

    @contextmanager
    def told(self, question: Question) -> Iterator[None]:
        """Let a refusal of one entry, whose tolerance is a share, say so."""
        try:
            yield
        except ToleranceError as error:
            error.where = (
                f"entry {question.entry}, whose share of the tolerance {self.shared.tolerance:g} "
                f"is {question.tolerance:.3g}"
            )
            raise


def shares_of(
    question: Question,
    entries: Sequence[Entry],
    weights: Sequence[Sequence[WeightFile]],
    decoding: Decoding | None,
) -> Shares | None:
    """None where no answer is asked for whose time counts, or none may be off by a number that has
    a square. Raises ToleranceError where no schedules are within the budget."""
    tolerance = question.tolerance
    if decoding is None or not decoding.answer or not tolerance or not _least(tolerance):
        return None
    return _Sharing(question, decoding, tolerance)(entries, weights)


def _least(tolerance: float) -> float:
    """What an entry may be off by in any case, squared."""
    return min(_ROUNDING, _PART * tolerance**2)


@dataclass(frozen=True, slots=True)
class _Sharing:
    """Of a question that is asked of all entries of a decoder."""

    question: Question
    decoding: Decoding
    tolerance: float

    def __call__(self, entries: Sequence[Entry], weights: Sequence[Sequence[WeightFile]]) -> Shares:
        try:
            pairs = zip(entries, weights, strict=True)
            prices = {entry.name: self._priced(entry, own) for entry, own in pairs}
        except (AllFailedError, EngineError):  # the compile of that entry goes on without it
            return Shares(SharedBudget(self.tolerance, self._shares({}, entries)), {})
        with self.question.phases("partition"):
            solution = self._solved(prices)
        used = dict.fromkeys(prices, 0.0)
        for node, device in solution.assignment.devices.items():
            entry, _, own = node.partition("/")
            used[entry] += _errors(prices[entry]).get(own, {}).get(device.partition("/")[2], 0.0)
        shared = SharedBudget(self.tolerance, self._shares(used, entries), solution.certificate)
        return Shares(shared, prices)

    def _priced(self, entry: Entry, weights: Sequence[WeightFile]) -> Priced:
        """With the errors of its nodes; no engine is left of it."""
        is_step = entry.name == DECODE
        residents = residents_of(DECODE, self.decoding, {}, None) if is_step else NO_RESIDENTS
        question = replace(self.question, entry=entry.name, residents=residents)
        found = question.priced(entry.programs[0], weights[0], entry.opened, 0)
        with question.phases("precision"):
            budget = ErrorBudget.of(found.measurements, found.expanded, self.tolerance)
        fresh = replace(found.measurements)
        known = None if budget is None else replace(budget, measurements=fresh)
        return replace(found, measurements=fresh, budget=known)

    def _solved(self, prices: Mapping[str, Priced]) -> Solution:
        parts = {name: Part(self._table(each), self._times(name)) for name, each in prices.items()}
        limit = self.tolerance**2 - len(parts) * _least(self.tolerance)
        table = side_by_side(parts, limit)
        try:
            settings = self.question.context.settings
            return Partition(LATENCY, SEARCH_S[settings.effort], settings.watch)(table)
        except UnplaceableError as error:
            raise refused(table, limit, 0.0, self.tolerance, LATENCY, error) from error

    def _table(self, priced: Priced) -> CostTable:
        costs = priced.profiled.costs
        known = costs if priced.budget is None else with_errors_of(priced.budget, costs)
        return self.question.restrict(known)

    def _times(self, entry: str) -> float:
        """How often it runs: at least the first token of an answer comes from the prompt's run."""
        if entry != DECODE:
            return 1.0
        return float(self.decoding.answer - (PREFILL in self.decoding.entries))

    def _shares(self, used: Mapping[str, float], entries: Sequence[Entry]) -> dict[str, float]:
        """In proportion to what each uses, and to the least that it may."""
        parts = {
            entry.name: used.get(entry.name, 0.0) + _least(self.tolerance) for entry in entries
        }
        whole = math.fsum(parts.values())
        return {name: self.tolerance * math.sqrt(part / whole) for name, part in parts.items()}


def _errors(priced: Priced) -> Mapping[str, Mapping[str, float]]:
    return {} if priced.budget is None else priced.budget.worst


def _spent(planned: PlannedEntry) -> float:
    """The most that any of its variants is off by, squared."""
    return max(map(_off, planned.variants)) ** 2


def _off(variant: PlannedVariant) -> float:
    found = variant.precision and variant.precision.of(variant.shipped.name)
    return found.error if found else 0.0
