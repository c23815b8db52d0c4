"""What a decoder takes: for the first token, for each that follows, and in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise

from stagecut.compiler.ir import units
from stagecut.compiler.ir.along_length import AlongLength
from stagecut.compiler.ir.objective import LATENCY, Objective, parse_objective
from stagecut.compiler.ir.plan import PlanDocument, PlannedEntry, PlannedVariant
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.precision import SharedBudget
from stagecut.compiler.ir.state import DECODE, ENCODE, PREFILL, Decoding
from stagecut.compiler.report import wording


@dataclass(frozen=True, slots=True)
class FurtherStep:
    """A variant of the step that runs from `from_length` tokens on, made for `length`: `token_s` is
    what it takes there, observed or by the costs. `devices` is how many nodes run on each, `homes`
    are as in DecodingFigures, and `moves` are the states that lay elsewhere before, by name."""

    from_length: int
    length: int
    token_s: float
    observed: bool
    devices: Mapping[str, int]
    homes: Mapping[str, str]
    moves: tuple[str, ...]

    def line(self) -> str:
        how = "observed" if self.observed else "predicted"
        moved = f", once {len(self.moves)} states have moved" if self.moves else ""
        return (
            f"from {self.from_length} tokens on it runs on {wording.nodes_by_device(self.devices)}"
            f"{moved}: {units.seconds(self.token_s)} {how} a step behind {self.length}"
        )


@dataclass(frozen=True, slots=True)
class DecodingFigures:
    """`first_token_s` is of a prompt of `prompt` tokens, `token_s` of a step behind `length`,
    `encode_s` of what an encoder says before, at the sizes `source`; observed where the gate has
    run the plan, else by the costs, as `observed` says. `homes` are the memories of the states that
    lie in one of a device's own, by name; `along_length` says which schedule of the step is the
    best from which length on, in the unit of `objective`. `further` are the step's variants for
    longer sequences, all else is of the first one. `budget` is of errors, where entries share
    one."""

    decoding: Decoding
    prompt: int
    length: int
    encode_s: float | None
    source: str
    first_token_s: float
    token_s: float
    held_bytes: int
    observed: bool
    homes: Mapping[str, str] = field(default_factory=dict)
    along_length: AlongLength | None = None
    objective: Objective = LATENCY
    further: tuple[FurtherStep, ...] = ()
    budget: SharedBudget | None = None

    @classmethod
    def of(cls, document: PlanDocument) -> "DecodingFigures | None":
        """None for a plan of another model."""
        decoding = document.decoding
        if decoding is None:
            return None
        planned = {name: document.entries[name].variants[0] for name in decoding.entries}
        decode, encode = planned[DECODE], planned.get(ENCODE)
        first, states = planned.get(PREFILL, decode), decoding.states
        pasts = frozenset(state.past for state in states)
        return cls(
            decoding,
            _port(first, decoding.tokens).shape[1],
            _port(decode, states[0].past).shape[0] if states else 0,
            None if encode is None else _time_s(encode),
            "" if encode is None else encode.profiled,
            _time_s(first),
            _time_s(decode),
            document.held_bytes,
            all(each.observed_s is not None for each in planned.values()),
            _homes(decode, pasts),
            document.entries[DECODE].along_length,
            parse_objective(decode.objective),
            tuple(_further(document.entries[DECODE], states[0].past, pasts)) if states else (),
            document.budget,
        )

    @property
    def answer_s(self) -> float | None:
        """All of an answer of the length that the plan was compiled for: its first token, and each
        further one at what the one in the middle takes. None where no length was said."""
        new = self.decoding.answer
        whole_s = (self.encode_s or 0) + self.first_token_s + (new - 1) * self.token_s
        return whole_s if new else None

    def lines(self) -> Iterator[str]:
        """For people."""
        how = "observed" if self.observed else "predicted"
        many = self.decoding.sequences
        rate = f", {many / self.token_s:.1f} tokens/s" if self.token_s else ""
        step = "a token" if many == 1 else f"a step of {many} tokens"
        if self.encode_s is not None:
            yield f"encode {units.seconds(self.encode_s)} {how} ({self.source}), once"
        if self.decoding.states:
            yield (
                f"first token {units.seconds(self.first_token_s)} {how} (prefill of {self.prompt} "
                f"tokens), then {units.seconds(self.token_s)} {step}{rate} (decode behind "
                f"{self.length} tokens)"
            )
        else:
            yield f"{units.seconds(self.token_s)} {how} {step}{rate}"
        token_bytes, capacity = self.decoding.token_bytes, self.decoding.capacity
        if self.answer_s is not None:
            yield (
                f"an answer of {self.decoding.answer} tokens takes "
                f"{units.seconds(self.answer_s)} {how}"
            )
        if token_bytes:
            who = "a sequence holds" if many == 1 else f"each of {many} sequences holds"
            yield (
                f"{who} {capacity} tokens in {units.size(capacity * token_bytes // many)}, "
                f"{units.size(token_bytes // many)} a token"
            )
        if self.held_bytes:
            yield f"it holds {units.size(self.held_bytes)} whole, whatever its length"
        for memory, number in Counter(self.homes.values()).items():
            yield (
                f"{number} of its {len(self.decoding.states)} states stay in the memory of "
                f"{memory}: a step transfers what is new of them"
            )
        yield from _budget_lines(self.budget)
        yield from (step.line() for step in self.further)
        yield from self._along_lines()

    def _along_lines(self) -> Iterator[str]:
        """From which length on another schedule would be better."""
        along, text = self.along_length, self.objective.text
        if along is None:
            return
        misfit = max(along.misfit.values(), default=None)
        off = "" if misfit is None else f", lines between them off by up to {misfit:.1%}"
        lengths = ", ".join(map(str, along.lengths))
        yield f"by the costs of a step behind {lengths} tokens{off}, the best schedule is"
        for best in along.best:
            devices = wording.nodes_by_device(best.devices)
            ends = " to ".join(map(text, best.total))
            own = " to ".join(map(text, best.own_total))
            told = "as in this plan" if own == ends else f"this plan's takes {own}"
            yield f"  from {best.low} to {best.high} tokens: {ends}, {devices}; {told}"

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {
            "prompt": self.prompt,
            "length": self.length,
            "capacity": self.decoding.capacity,
            **({} if self.decoding.sequences == 1 else {"sequences": self.decoding.sequences}),
            **({} if self.encode_s is None else {"encode_s": self.encode_s}),
            "first_token_s": self.first_token_s,
            "token_s": self.token_s,
            "accounting": "measured" if self.observed else "predicted",
            **({} if self.answer_s is None else {"new": self.decoding.answer}),
            **({} if self.answer_s is None else {"answer_s": self.answer_s}),
            "bytes_per_token": self.decoding.token_bytes,
            **({"held_bytes": self.held_bytes} if self.held_bytes else {}),
            "homes": dict(self.homes),
            **({"further": [asdict(step) for step in self.further]} if self.further else {}),
            **({} if self.along_length is None else {"along_length": asdict(self.along_length)}),
            **({} if self.budget is None else {"budget": asdict(self.budget)}),
        }


def _budget_lines(budget: SharedBudget | None) -> Iterator[str]:
    """Who may be off by how much of what the answer may be."""
    if budget is None:
        return
    shares = ", ".join(
        f"{entry} by {wording.percent_of(share)}" for entry, share in budget.shares.items()
    )
    allowed = wording.percent_of(budget.tolerance)
    yield f"of the {allowed} that an answer may be off by (rms), {shares}"
    if budget.certificate is not None:
        total_s = units.seconds(budget.certificate.total)
        yield (
            f"by the costs, an answer within that, less a little for roundings, takes {total_s}; "
            f"{budget.certificate.claim}"
        )


def _port(variant: PlannedVariant, name: str) -> Port:
    return next(port for port in variant.inputs if port.name == name)


def _further(step: PlannedEntry, past: str, pasts: frozenset[str]) -> Iterator[FurtherStep]:
    """`past` is a state, and `pasts` are all."""
    for from_length, (before, variant) in zip(step.switches, pairwise(step.variants), strict=True):
        earlier, homes = _homes(before, pasts), _homes(variant, pasts)
        placed = [*variant.schedule.device_of.values()]
        yield FurtherStep(
            from_length,
            _port(variant, past).shape[0],
            _time_s(variant),
            variant.observed_s is not None,
            {name: placed.count(name) for name in dict.fromkeys(placed)},
            homes,
            tuple(sorted(name for name in pasts if homes.get(name) != earlier.get(name))),
        )


def _homes(variant: PlannedVariant, pasts: frozenset[str]) -> dict[str, str]:
    """Of the states that do not lie in the host's memory."""
    return {name: memory for name, memory in variant.run.homes.items() if name in pasts}


def _time_s(variant: PlannedVariant) -> float:
    return variant.account.latency_s if variant.observed_s is None else variant.observed_s
