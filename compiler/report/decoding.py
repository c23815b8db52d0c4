"""What a decoder takes: for the first token, for each that follows, and in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from stagecut.compiler.ir import units
from stagecut.compiler.ir.along_length import AlongLength
from stagecut.compiler.ir.objective import LATENCY, Objective, parse_objective
from stagecut.compiler.ir.plan import PlanDocument, PlannedVariant
from stagecut.compiler.ir.state import DECODE, PREFILL, TOKENS, Decoding
from stagecut.compiler.report import wording


@dataclass(frozen=True, slots=True)
class DecodingFigures:
    """`first_token_s` is of a prompt of `prompt` tokens, `token_s` of one token behind `length`;
    observed where the gate has run the plan, else by the costs, as `observed` says. `homes` are the
    memories of the states that lie in one of a device's own, by name; `along_length` says which
    schedule of the step is the best from which length on, in the unit of `objective`."""

    decoding: Decoding
    prompt: int
    length: int
    first_token_s: float
    token_s: float
    observed: bool
    homes: Mapping[str, str] = field(default_factory=dict)
    along_length: AlongLength | None = None
    objective: Objective = LATENCY

    @classmethod
    def of(cls, document: PlanDocument) -> "DecodingFigures | None":
        """None for a plan of another model."""
        decoding = document.decoding
        if decoding is None:
            return None
        pasts = {state.past for state in decoding.states}
        prefill, decode = (document.entries[name].variants[0] for name in (PREFILL, DECODE))
        return cls(
            decoding,
            _shape(prefill, TOKENS)[1],
            _shape(decode, decoding.states[0].past)[0],
            _time_s(prefill),
            _time_s(decode),
            None not in {prefill.observed_s, decode.observed_s},
            {name: memory for name, memory in decode.run.homes.items() if name in pasts},
            document.entries[DECODE].along_length,
            parse_objective(decode.objective),
        )

    @property
    def answer_s(self) -> float | None:
        """All of an answer of the length that the plan was compiled for: its first token, and each
        further one at what the one in the middle takes. None where no length was said."""
        new = self.decoding.answer
        return self.first_token_s + (new - 1) * self.token_s if new else None

    def lines(self) -> Iterator[str]:
        """For people."""
        how = "observed" if self.observed else "predicted"
        rate = f", {1 / self.token_s:.1f} tokens/s" if self.token_s else ""
        yield (
            f"first token {units.seconds(self.first_token_s)} {how} (prefill of {self.prompt} "
            f"tokens), then {units.seconds(self.token_s)} a token{rate} (decode behind "
            f"{self.length} tokens)"
        )
        token_bytes, capacity = self.decoding.token_bytes, self.decoding.capacity
        if self.answer_s is not None:
            yield (
                f"an answer of {self.decoding.answer} tokens takes "
                f"{units.seconds(self.answer_s)} {how}"
            )
        yield (
            f"a sequence holds {capacity} tokens in {units.size(capacity * token_bytes)}, "
            f"{units.size(token_bytes)} a token"
        )
        for memory, number in Counter(self.homes.values()).items():
            yield (
                f"{number} of its {len(self.decoding.states)} states stay in the memory of "
                f"{memory}: a step transfers what is new of them"
            )
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
            devices = ", ".join(
                f"{wording.count(n, 'node')} on {name}" for name, n in best.devices.items()
            )
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
            "first_token_s": self.first_token_s,
            "token_s": self.token_s,
            "accounting": "measured" if self.observed else "predicted",
            **({} if self.answer_s is None else {"new": self.decoding.answer}),
            **({} if self.answer_s is None else {"answer_s": self.answer_s}),
            "bytes_per_token": self.decoding.token_bytes,
            "homes": dict(self.homes),
            **({} if self.along_length is None else {"along_length": asdict(self.along_length)}),
        }


def _shape(variant: PlannedVariant, name: str) -> tuple[int, ...]:
    return next(port.shape for port in variant.inputs if port.name == name)


def _time_s(variant: PlannedVariant) -> float:
    return variant.account.latency_s if variant.observed_s is None else variant.observed_s
