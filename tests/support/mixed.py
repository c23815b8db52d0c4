"""Compiles that find it faster, always, if the first nodes take one input in a call, and all others
several."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from stagecut.compiler import mixed_stream, variant_batches
from stagecut.compiler.batch_race import Race, Runner, raced
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.mixed_batches import MixedBatches, mixed_batches
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate, Turn
from tests.support import batched


def let_mixed_be_faster(
    monkeypatch: pytest.MonkeyPatch, first: int = 1, ratio: float = 0.5
) -> None:
    """The `first` nodes together take 1 s, and 2 s for an input in batches; all others 4 s, and 1 s
    for an input. Calls take 5 % more than they cost; in turns, these streams take that part of the
    time."""
    batched.let_larger_be_faster(monkeypatch)

    def found(
        alone: CostTable,
        together: CostTable,
        size: int,
        limits: tuple[Limit, ...],
    ) -> MixedBatches | None:
        one = _costing(alone, first, 1.0, 4.0)
        return mixed_batches(one, _costing(together, first, 2.0 * size, size), size, limits)

    monkeypatch.setattr(variant_batches, "mixed_batches", found)
    monkeypatch.setattr(mixed_stream, "StreamGate", _Slower)

    def race(alone: Runner, together: Runner) -> Race | None:
        mixes = together.planned.stream is not None and together.planned.stream.mixes
        known = raced(alone, together) if mixes else None
        best, other = (alone.planned.shipped, together.planned.shipped)
        return Race(best, known.together if known else other, (ratio if mixes else 0.5,))

    monkeypatch.setattr(variant_batches, "raced", race)


class _Slower(StreamGate):
    def first_turn(self, built: BuiltStream, feeds: Feeds) -> Turn:
        turn = super().first_turn(built, feeds)
        call_s = tuple(1.05 * load.call_s for load in built.proposal.account.stages)
        assert len(turn.run.call_s) == len(call_s)
        return replace(turn, run=replace(turn.run, call_s=call_s))


def _costing(table: CostTable, first: int, head_s: float, tail_s: float) -> CostTable:
    """A table in which these nodes take so much."""
    tail = len(table.nodes) - first

    def costs(at: int, known: Mapping[str, float]) -> Mapping[str, float]:
        return dict.fromkeys(known, head_s / first if at < first else tail_s / tail)

    nodes = [replace(each, run_s=costs(at, each.run_s)) for at, each in enumerate(table.nodes)]
    return replace(table, nodes=tuple(nodes))
