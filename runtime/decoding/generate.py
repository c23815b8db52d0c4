"""Generate: prefill with the prompt, then a token at a time, each read back in."""

import os
from collections.abc import Callable, Collection
from collections.abc import Sequence as Several
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import numpy as np

from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import FeedError, PlanError, UsageError
from stagecut.compiler.ir.numbers import whole_numbers
from stagecut.compiler.ir.state import DECODE, ENCODE, MASK, PREFILL
from stagecut.runtime.decoding.answer import Answer, Ends, OnToken
from stagecut.runtime.decoding.sampling import Sampler, Sampling
from stagecut.runtime.decoding.sequence import Sequence
from stagecut.runtime.decoding.session import DecoderSession
from stagecut.runtime.decoding.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Generated:
    """`prompt` is how many tokens were given; `tokens` are new ones, without the one that ended
    them; `text` is None without a tokenizer, and cut before the text that ended it.

    `first_token_s` is from the prompt to the first token, `step_s` what each step behind it took on
    average, `tokens_per_s` the rate of the tokens that came of these, both None where there are
    none; `memory_bytes` is what the sequence's states took. Of several prompts at once, each has
    the times of all, and the rate of what they say together.
    """

    prompt: int
    tokens: tuple[int, ...]
    text: str | None
    first_token_s: float
    step_s: float | None
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
        self._mask_dtype = np.dtype(ports[MASK].dtype) if MASK in ports else None
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
        stops: Collection[str] = (),
        on_token: OnToken | None = None,
    ) -> Generated:
        """Up to `max_new` tokens behind `prompt`, a text or tokens; one of `stop_ids` ends them, or
        a text of `stops`, which the answer's text is cut before.

        Raises FeedError for a prompt that there is no room for, or that is none, for a source that
        is missing, or that nothing reads, and where the plan answers several prompts at once.
        """
        [found] = self.several(
            [prompt],
            source=source,
            max_new=max_new,
            sampling=sampling,
            stop_ids=stop_ids,
            stops=stops,
            on_token=None if on_token is None else lambda _, token, text: on_token(token, text),
        )
        return found

    def several(
        self,
        prompts: Several[str | Several[int]],
        *,
        source: Feeds | None = None,
        max_new: int = 64,
        sampling: Sampling = Sampling(),
        stop_ids: Collection[int] = (),
        stops: Collection[str] = (),
        on_token: Callable[[int, int, str], None] | None = None,
    ) -> tuple[Generated, ...]:
        """As a call for each of `prompts`, as many as the plan runs at once, in the same steps;
        `on_token` is told first of which one a token is, from 0 on.

        Those that are shorter than the longest one are filled up in front. By chance, each prompt
        has a seed of its own, one more than the one before it. Raises FeedError for another number
        of prompts, and for different lengths where the model is not told by an `attention_mask`
        which tokens count, or reads them one by one; UsageError for other arguments that make no
        sense.
        """
        ends = Ends(max_new, stop_ids, stops)
        if not isinstance(sampling, Sampling):
            raise UsageError(f"it is {sampling!r}", where="sampling", fix="give a Sampling(...)")
        if isinstance(prompts, str) or not isinstance(prompts, Collection):
            raise FeedError(f"they are {prompts!r}", where="prompts", fix="give a list of prompts")
        self._check_number(len(prompts))
        if ends.stops and self._tokenizer is None:
            raise _needs_tokenizer("stops")
        given = [self._tokens(prompt) for prompt in prompts]
        self._check_source(source)
        self._check_room(max(map(len, given)), ends.max_new)
        answers = [
            Answer(
                Sampler(replace(sampling, seed=sampling.seed + at)),
                ends,
                self._tokenizer,
                None if on_token is None else partial(on_token, at),
            )
            for at in range(len(given))
        ]
        times_s, memory_bytes = self._write(answers, given, source)
        return tuple(
            Generated(len(prompt), tuple(each.tokens), each.text, *times_s, memory_bytes)
            for prompt, each in zip(given, answers, strict=True)
        )

    def _write(
        self, answers: Several[Answer], given: Several[Several[int]], source: Feeds | None
    ) -> tuple[tuple[float, float | None, float | None], int]:
        """Let all `answers` go on until they are over: the seconds to the first token, those of a
        step behind it, the rate of all tokens there, and the bytes that a sequence took."""
        clock = self._clock

        def added(scores: Tensor) -> tuple[list[list[int]], float]:
            tokens = [[each.add(row)] for each, row in zip(answers, scores, strict=True)]
            now_s = clock()
            for each in answers:
                each.tell()
            return tokens, now_s

        with self.session.sequence() as sequence:
            start_s = clock()
            tokens, first_s = added(self._begun(sequence, given, source))
            last_s, length = first_s, sequence.length
            while not all(each.is_over for each in answers):
                tokens, last_s = added(self._scores(sequence.run(DECODE, self._rows(tokens))))
            steps, steps_s = sequence.length - length, last_s - first_s
            behind = sum(max(0, len(each.tokens) - 1) for each in answers)
            step_s = steps_s / steps if steps and steps_s > 0 else None
            rate = behind / steps_s if behind and steps_s > 0 else None
            return (first_s - start_s, step_s, rate), sequence.memory_bytes // len(answers)

    def _check_number(self, prompts: int) -> None:
        sequences = self.session.decoding.sequences
        if prompts != sequences:
            raise FeedError(
                f"{prompts} given, and the plan answers {sequences} at once",
                where="prompts",
                fix="give as many, or compile with another number of --sequences",
            )

    def _tokens(self, prompt: str | Several[int]) -> list[int]:
        if isinstance(prompt, str):
            if self._tokenizer is None:
                raise _needs_tokenizer("prompt")
            prompt = self._tokenizer.encode(prompt)
        tokens = whole_numbers(prompt)
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

    def _begun(
        self, sequence: Sequence, given: Several[Several[int]], source: Feeds | None
    ) -> Tensor:
        """The scores of the token behind each prompt; of a source, where there is one."""
        if source is not None:
            sequence.run(ENCODE, source)
        filled = self._filled(given)
        if self.session.decoding.states:
            return self._scores(sequence.run(PREFILL, filled))
        for step in zip(*given, strict=True):
            outputs = sequence.run(DECODE, self._rows([[token] for token in step]))
        return self._scores(outputs)

    def _filled(self, given: Several[Several[int]]) -> dict[str, Tensor]:
        """Prompts as rows of one length, the first tokens of which do not count where there are
        none."""
        longest = max(map(len, given))
        missing = [longest - len(tokens) for tokens in given]
        rows = self._rows(
            [[0] * gap + [*tokens] for gap, tokens in zip(missing, given, strict=True)]
        )
        if not any(missing):
            return rows
        one_by_one = not self.session.decoding.states  # none of its runs is given the mask
        if self._mask_dtype is None or one_by_one or self.session.counts_from_front:
            lengths = ", ".join(str(len(tokens)) for tokens in given)
            raise FeedError(
                f"they have {lengths} tokens, and the model is not told which of them count",
                where="prompts",
                fix="give prompts that are equally long",
            )
        counted = np.arange(longest)[None] >= np.asarray(missing)[:, None]
        return {**rows, MASK: counted.astype(self._mask_dtype)}

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
        if given > capacity:
            problem = f"it has {given} tokens, and a sequence holds {capacity}"
        elif given + max_new - 1 > capacity:
            problem = f"with {max_new} tokens behind its {given}, a sequence of {capacity} is full"
        else:
            return
        raise FeedError(
            problem, where="prompt", fix="ask for less, or compile with a larger --capacity"
        )

    def _rows(self, tokens: Several[Several[int]]) -> dict[str, Tensor]:
        return {self.session.decoding.tokens: np.asarray(tokens, self._dtype)}

    def _scores(self, outputs: Several[Tensor]) -> Tensor:
        """Those of the token behind the last one, a row for each sequence: of `[sequences, n,
        vocabulary]`."""
        sequences = self.session.decoding.sequences
        scores: Tensor = outputs[self._at].reshape(sequences, -1, self.vocabulary)[:, -1]
        return scores


def _needs_tokenizer(where: str) -> UsageError:
    return UsageError(
        "a text needs a tokenizer",
        where=where,
        fix="give tokens, or the model's tokenizer: --tokenizer tokenizer.json",
    )
