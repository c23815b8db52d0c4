"""What a decoder takes: for the first token, for each that follows, and in memory."""

from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.compiler.ir import units
from stagecut.compiler.ir.plan import PlanDocument, PlannedVariant, Port
from stagecut.compiler.ir.state import DECODE, ENCODE, PREFILL, Decoding


@dataclass(frozen=True, slots=True)
class DecodingFigures:
    """`first_token_s` is of a prompt of `prompt` tokens, `token_s` of one token behind `length`,
    `encode_s` of what an encoder says before, at the sizes `source`; observed where the gate has
    run the plan, else by the costs, as `observed` says."""

    decoding: Decoding
    prompt: int
    length: int
    encode_s: float | None
    source: str
    first_token_s: float
    token_s: float
    held_bytes: int
    observed: bool

    @classmethod
    def of(cls, document: PlanDocument) -> "DecodingFigures | None":
        """None for a plan of another model."""
        decoding = document.decoding
        if decoding is None:
            return None
        planned = {name: document.entries[name].variants[0] for name in decoding.entries}
        decode, encode = planned[DECODE], planned.get(ENCODE)
        first, states = planned.get(PREFILL, decode), decoding.states
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
        rate = f", {1 / self.token_s:.1f} tokens/s" if self.token_s else ""
        if self.encode_s is not None:
            yield f"encode {units.seconds(self.encode_s)} {how} ({self.source}), once"
        if self.decoding.states:
            yield (
                f"first token {units.seconds(self.first_token_s)} {how} (prefill of {self.prompt} "
                f"tokens), then {units.seconds(self.token_s)} a token{rate} (decode behind "
                f"{self.length} tokens)"
            )
        else:
            yield f"{units.seconds(self.token_s)} {how} a token{rate}"
        token_bytes, capacity = self.decoding.token_bytes, self.decoding.capacity
        if self.answer_s is not None:
            yield (
                f"an answer of {self.decoding.answer} tokens takes "
                f"{units.seconds(self.answer_s)} {how}"
            )
        if token_bytes:
            yield (
                f"a sequence holds {capacity} tokens in {units.size(capacity * token_bytes)}, "
                f"{units.size(token_bytes)} a token"
            )
        if self.held_bytes:
            yield f"it holds {units.size(self.held_bytes)} whole, whatever its length"

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {
            "prompt": self.prompt,
            "length": self.length,
            "capacity": self.decoding.capacity,
            **({} if self.encode_s is None else {"encode_s": self.encode_s}),
            "first_token_s": self.first_token_s,
            "token_s": self.token_s,
            "accounting": "measured" if self.observed else "predicted",
            **({} if self.answer_s is None else {"new": self.decoding.answer}),
            **({} if self.answer_s is None else {"answer_s": self.answer_s}),
            "bytes_per_token": self.decoding.token_bytes,
            **({"held_bytes": self.held_bytes} if self.held_bytes else {}),
        }


def _port(variant: PlannedVariant, name: str) -> Port:
    return next(port for port in variant.inputs if port.name == name)


def _time_s(variant: PlannedVariant) -> float:
    return variant.account.latency_s if variant.observed_s is None else variant.observed_s
