"""Benchmark a plan of a decoder: first token, tokens a second, and how near that is to what memory
allows."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import PlanError, UsageError
from stagecut.compiler.measure.read_bandwidth import read_bandwidth
from stagecut.runtime.decoding.generate import Generated, Generator
from stagecut.runtime.decoding.traffic import step_bytes

#: Runs that count; one before them warms up.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Lengths:
    """A prompt of `prompt` tokens, and `new` ones behind it; raises UsageError for fewer than one
    and two."""

    prompt: int
    new: int

    def __post_init__(self) -> None:
        if self.prompt < 1 or self.new < 2:
            raise UsageError(
                f"a prompt of {self.prompt} and {self.new} new tokens measure nothing",
                where="benchmark",
                fix="give a prompt of 1 or more, and 2 new tokens or more",
            )


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians over several runs. `token_s` is the median of the steps behind the first token, each
    of a token for all `sequences` that run at once; `tokens` are those of the first one.
    `step_bytes` is what such a step reads on average, `read_bytes_per_s` what the machine reads
    meanwhile."""

    tokens: tuple[int, ...]
    rounds: int
    first_token_s: float
    token_s: float
    memory_bytes: int
    step_bytes: float
    read_bytes_per_s: float
    sequences: int = 1

    @property
    def tokens_per_s(self) -> float:
        """Of all sequences."""
        return self.sequences / self.token_s

    @property
    def bandwidth_share(self) -> float:
        """Which part of the machine's read bandwidth the steps reach."""
        return self.step_bytes / self.token_s / self.read_bytes_per_s


def benchmark(
    generator: Generator,
    lengths: Lengths,
    source: Feeds | None = None,
    bandwidth: Callable[[], float] = read_bandwidth,
    clock: Callable[[], float] = perf_counter,
) -> Measured:
    """Run a prompt of random tokens through the plan, the same each time, of an encoder-decoder
    behind `source`; the bandwidth is read before and after.

    Raises FeedError where there is no room, PlanError for a plan on modelled devices.
    """
    if generator.session.is_modelled:
        raise PlanError(
            "runs on modelled devices, whose time this machine cannot show",
            where="the plan",
            fix="read what their models say: `stagecut report PLAN`",
        )
    sequences = generator.session.decoding.sequences
    sizes = (sequences, lengths.prompt)
    prompts = np.random.default_rng(0).integers(0, generator.vocabulary, sizes).tolist()
    _once(generator, prompts, lengths.new, source, clock)
    before = bandwidth()
    runs = [_once(generator, prompts, lengths.new, source, clock) for _ in range(_ROUNDS)]
    found = runs[0][0]
    return Measured(
        found.tokens,
        _ROUNDS,
        statistics.median(run.first_token_s for run, _ in runs),
        statistics.median(time_s for _, times_s in runs for time_s in times_s),
        found.memory_bytes * sequences,
        read_by_steps(generator, lengths.prompt, lengths.new),
        max(before, bandwidth()),
        sequences,
    )


def share_of(found: Generated, generator: Generator, bandwidth: float) -> float | None:
    """Which part of `bandwidth`, in bytes a second, the steps have reached; None where there were
    none, or where devices are modelled."""
    if found.step_s is None or generator.session.is_modelled:
        return None
    read = read_by_steps(generator, found.prompt, len(found.tokens))
    return read / found.step_s / bandwidth


def read_by_steps(generator: Generator, prompt: int, new: int) -> float:
    """The bytes that a step reads, on average over those behind `prompt` tokens that give `new`
    ones: the first of these comes from the prompt itself."""
    session = generator.session
    length = prompt + (new - 2) / 2
    return step_bytes(session.weight_bytes, session.held_bytes, session.decoding, length)


def _once(
    generator: Generator,
    prompts: Sequence[Sequence[int]],
    new: int,
    source: Feeds | None,
    clock: Callable[[], float],
) -> tuple[Generated, list[float]]:
    """The first answer, and what each step behind the first token took."""
    ends_s: list[float] = []

    def ended(sequence: int, _: int, __: str) -> None:
        if sequence == 0:
            ends_s.append(clock())

    found, *_ = generator.several(prompts, source=source, max_new=new, on_token=ended)
    return found, np.diff(ends_s).tolist()
