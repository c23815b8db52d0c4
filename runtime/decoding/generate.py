"""Generate: prefill with the prompt, then a token at a time, each read back in."""

import os
from collections.abc import Callable, Collection, Iterable
from collections.abc import Sequence as Several
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import FeedError, PlanError, UsageError
from stagecut.compiler.ir.numbers import is_whole
from stagecut.compiler.ir.state import DECODE, ENCODE, PREFILL
from stagecut.runtime.decoding.sampling import Sampler, Sampling
from stagecut.runtime.decoding.sequence import Sequence
from stagecut.runtime.decoding.session import DecoderSession
from stagecut.runtime.decoding.tokenizer import Tokenizer

#: Told of each token when it is there, and of the text that it completes, empty without tokenizer.
Listener: TypeAlias = Callable[[int, str], None]

#: What a tokenizer makes of the first bytes of a letter.
_UNFINISHED = "\ufffd"


@dataclass(frozen=True, slots=True)
class Generated:
    """`prompt` is how many tokens were given; `tokens` are new ones, without the one that ended
    them; `text` is None without a tokenizer.

    `first_token_s` is from the prompt to the first token, `tokens_per_s` the rate of those behind
    it, None where there are none; `memory_bytes` is what the sequence's states took.
    """

    prompt: int
    tokens: tuple[int, ...]
    text: str | None
    first_token_s: float
    tokens_per_s: float | None
    memory_bytes: int


class Generator:
    """Generates with a plan, or with a session of one.

        generator = Generator("gpt2.plan", Tokenizer("tokenizer.json"))
        text = generator("Once upon a time", max_new=64).text

    An encoder-decoder says something of a `source`, the inputs of its encoder:

        tokens = generator([1], source={"src": letters}, max_new=32, stop_ids={2}).tokens

    Raises PlanError for a plan that does not generate, UsageError for a tokenizer that does not fit
    its vocabulary.
    """

    def __init__(
        self,
        plan: DecoderSession | Plan | str | os.PathLike[str],
        tokenizer: Tokenizer | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.session = plan if isinstance(plan, DecoderSession) else DecoderSession(plan)
        self._tokenizer = tokenizer
        self._clock = clock
        if not self.session.decoding.logits:
            raise PlanError(
                f"none of its outputs is called logits: {', '.join(self.session.outputs)}",
                where="the plan",
                fix="export the model so that its scores of the next token are called logits",
            )
        self._at = self.session.outputs.index(self.session.decoding.logits)
        planned = self.session.entries[DECODE].planned
        ports = {port.name: port for port in (*planned.inputs, *planned.outputs)}
        self.vocabulary = ports[self.session.decoding.logits].shape[-1]
        self._dtype = np.dtype(ports[self.session.decoding.tokens].dtype)
        if tokenizer is not None:
            tokenizer.check_fits(self.vocabulary)

    def __call__(
        self,
        prompt: str | Several[int],
        *,
        source: Feeds | None = None,
        max_new: int = 64,
        sampling: Sampling = Sampling(),
        stop_ids: Collection[int] = (),
        on_token: Listener | None = None,
    ) -> Generated:
        """Up to `max_new` tokens behind `prompt`, a text or tokens; one of `stop_ids` ends them.

        Raises FeedError for a prompt that there is no room for, or that is none, and for a source
        that is missing, or that nothing reads; UsageError for other arguments that make no sense.
        """
        given = self._tokens(prompt)
        stops = _stops(stop_ids)
        if not isinstance(sampling, Sampling):
            raise UsageError(f"it is {sampling!r}", where="sampling", fix="give a Sampling(...)")
        self._check_source(source)
        self._check_room(len(given), max_new)
        clock, tokens, told = self._clock, list[int](), ""
        with self.session.sequence() as sequence:
            start_s = clock()
            scores = self._begun(sequence, given, source)
            sampler = Sampler(sampling)
            token = sampler(scores)
            first_s = last_s = clock()
            while token not in stops:
                tokens.append(token)
                if on_token is not None:
                    told += (text := self._completed(tokens, told))
                    on_token(token, text)
                if len(tokens) == max_new:
                    break
                token = sampler(self._scores(sequence.run(DECODE, self._row([token]))))
                last_s = clock()
            steps = sequence.length - len(given)
            return Generated(
                len(given),
                tuple(tokens),
                None if self._tokenizer is None else self._tokenizer.decode(tokens),
                first_s - start_s,
                steps / (last_s - first_s) if steps and last_s > first_s else None,
                sequence.memory_bytes,
            )

    def _tokens(self, prompt: str | Several[int]) -> list[int]:
        if isinstance(prompt, str):
            if self._tokenizer is None:
                raise UsageError(
                    "a text needs a tokenizer",
                    where="prompt",
                    fix="give tokens, or the model's tokenizer: --tokenizer tokenizer.json",
                )
            prompt = self._tokenizer.encode(prompt)
        tokens = _whole(prompt)
        if tokens is None:
            raise FeedError(
                "is no row of tokens",
                where="prompt",
                fix="give whole numbers, as in [464, 2068], or a text, with a tokenizer",
            )
        if not tokens:
            raise FeedError("it has no token", where="prompt", fix="give one token or more")
        for token in tokens:
            if not 0 <= token < self.vocabulary:
                raise FeedError(
                    f"there is no token {token}",
                    where="prompt",
                    fix=f"give tokens from 0 to {self.vocabulary - 1}",
                )
        return tokens

    def _begun(self, sequence: Sequence, given: Several[int], source: Feeds | None) -> Tensor:
        """The scores of the token behind the prompt; of a source, where there is one."""
        if source is not None:
            sequence.run(ENCODE, source)
        if self.session.decoding.states:
            return self._scores(sequence.run(PREFILL, self._row(given)))
        for token in given[:-1]:
            sequence.run(DECODE, self._row([token]))
        return self._scores(sequence.run(DECODE, self._row(given[-1:])))

    def _check_source(self, source: Feeds | None) -> None:
        encode = self.session.entries.get(ENCODE)
        if (encode is None) == (source is None):
            return
        if encode is None:
            problem, fix = "nothing reads it: the model has no encoder", "leave it out"
        else:
            problem = "there is none, and the model has an encoder"
            names = ", ".join(port.name for port in encode.get_inputs())
            fix = f"give what the encoder reads: {names} (--input NAME=FILE.npy)"
        raise FeedError(problem, where="source", fix=fix)

    def _check_room(self, given: int, max_new: int) -> None:
        """The last token need not be read back in."""
        capacity = self.session.capacity
        if not (is_whole(max_new) and max_new >= 1):
            raise UsageError(
                f"it is {max_new!r}", where="max_new", fix="give a whole number, 1 or more"
            )
        if given > capacity:
            problem = f"it has {given} tokens, and a sequence holds {capacity}"
        elif given + max_new - 1 > capacity:
            problem = f"with {max_new} tokens behind its {given}, a sequence of {capacity} is full"
        else:
            return
        raise FeedError(
            problem, where="prompt", fix="ask for less, or compile with a larger --capacity"
        )

    def _row(self, tokens: Several[int]) -> dict[str, Tensor]:
        return {self.session.decoding.tokens: np.asarray([tokens], self._dtype)}

    def _scores(self, outputs: Several[Tensor]) -> Tensor:
        """Those of the token behind the last one: of `[1, n, vocabulary]`."""
        scores: Tensor = outputs[self._at].reshape(-1, self.vocabulary)[-1]
        return scores

    def _completed(self, tokens: Several[int], told: str) -> str:
        """The text that the latest token adds to what was told; letters come when whole."""
        if self._tokenizer is None:
            return ""
        text = self._tokenizer.decode(tokens)
        return "" if text.endswith(_UNFINISHED) else text[len(told) :]


def _stops(given: object) -> frozenset[int]:
    tokens = _whole(given)
    if tokens is None:
        raise UsageError(f"they are {given!r}", where="stop_ids", fix="give tokens, as in {0, 2}")
    return frozenset(tokens)


def _whole(given: Any) -> list[int] | None:
    """The whole numbers that it holds; None where it holds anything else. Nothing is rounded."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        return None
    tokens = [*given]
    return [int(token) for token in tokens] if all(map(is_whole, tokens)) else None
