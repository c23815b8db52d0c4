"""What `stagecut generate` says of what came out, and of a benchmark."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stagecut.compiler.cli.options import read_feeds
from stagecut.compiler.cli.output import note, print_json, say
from stagecut.compiler.ir import units
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Listener
    from stagecut.runtime.decoding.benchmark import Lengths, Measured
    from stagecut.runtime.decoding.generate import Generated, Generator

_SCHEMA = "stagecut.generate/1"


def print_generated(found: "Sequence[Generated]", generator: "Generator") -> None:
    """As JSON, with the share of the memory bandwidth that was reached; several as a list."""
    from stagecut.compiler.measure.read_bandwidth import read_bandwidth
    from stagecut.runtime.decoding.benchmark import share_of

    said = [
        {"tokens": list(each.tokens), **({} if each.text is None else {"text": each.text})}
        for each in found
    ]
    longest = max(found, key=lambda each: len(each.tokens))
    print_json(
        _SCHEMA,
        {
            **(said[0] if len(said) == 1 else {"answers": said}),
            "first_token_s": longest.first_token_s,
            "tokens_per_s": longest.tokens_per_s,
            "memory_bytes": sum(each.memory_bytes for each in found),
            "bandwidth_share": share_of(longest, generator, read_bandwidth()),
        },
    )


def show_generated(found: "Sequence[Generated]", *, streamed: bool) -> None:
    """The text or the tokens, unless they have been printed as they came, those of each prompt in
    lines of their own; the times are a note."""
    for each in found:
        written = " ".join(map(str, each.tokens)) if each.text is None else each.text
        say(*([""] if streamed else written.split("\n")))
    per_s = found[0].tokens_per_s
    rate = "" if per_s is None else f", then {per_s:.1f} tokens/s"
    who = "the sequence" if len(found) == 1 else f"{len(found)} sequences"
    note(
        f"first token after {units.seconds(found[0].first_token_s)}{rate}; "
        f"{who} took {units.size(sum(each.memory_bytes for each in found))}"
    )


def measure(
    plan: Path,
    text: str,
    source: "Sequence[str] | None",
    *,
    fallback: bool,
    listener: "Listener",
    json: bool,
) -> None:
    """Benchmark a plan at the lengths that `text` tells, of an encoder-decoder with the files
    `source`, and say what was found; `listener` is as of Session."""
    from stagecut.compiler.measure.foreign_load import foreign_load, read_load
    from stagecut.runtime.decoding.benchmark import benchmark
    from stagecut.runtime.decoding.generate import Generator
    from stagecut.runtime.decoding.session import DecoderSession

    lengths = _lengths(text)
    generator = Generator(DecoderSession(plan, fallback=fallback, listener=listener))
    feeds = read_feeds(source) or None
    before = read_load()
    found = benchmark(generator, lengths, feeds)
    load = foreign_load(before, read_load())
    taken = None if load is None else load.taken
    if json:
        _print_measured(found, taken)
    else:
        _show_measured(found, lengths, generator.session.weight_bytes, taken)


def _print_measured(found: "Measured", taken: float | None) -> None:
    print_json(
        _SCHEMA,
        {
            "tokens": list(found.tokens),
            "first_token_s": found.first_token_s,
            "tokens_per_s": found.tokens_per_s,
            "memory_bytes": found.memory_bytes,
            "bandwidth_share": found.bandwidth_share,
            "rounds": found.rounds,
            "token_s": found.token_s,
            "step_bytes": found.step_bytes,
            "read_bytes_per_s": found.read_bytes_per_s,
            **({} if found.sequences == 1 else {"sequences": found.sequences}),
            "foreign_load": taken,
        },
    )


def _show_measured(
    found: "Measured", lengths: "Lengths", weight_bytes: int, taken: float | None
) -> None:
    many = found.sequences
    unit = "a token" if many == 1 else "a step"
    step = unit if many == 1 else f"{many} tokens"
    say(
        f"first token   {units.seconds(found.first_token_s)}, behind {lengths.prompt} tokens",
        f"{step:14}{units.seconds(found.token_s)}, {found.tokens_per_s:.1f} tokens/s, median "
        f"of {lengths.new - 1} in each of {found.rounds} runs",
        f"memory        {units.size(found.memory_bytes)} for "
        f"{'the sequence' if many == 1 else 'the sequences'}; weights that {unit} "
        f"reads {units.size(weight_bytes)}",
        f"bandwidth     {found.bandwidth_share:.0%} of the {found.read_bytes_per_s / 1e9:.1f} GB/s "
        f"that this machine reads: {units.size(found.step_bytes)} {unit}",
    )
    if taken is not None:
        say(f"other work    took {taken:.0%} of the CPUs meanwhile")


def _lengths(text: str) -> "Lengths":
    """`prompt=128,new=64`; raises UsageError."""
    from stagecut.runtime.decoding.benchmark import Lengths

    parts = [part.partition("=") for part in text.split(",")]
    given = {name.strip(): number.strip() for name, _, number in parts}
    if (
        len(parts) != len(given)
        or given.keys() != {"prompt", "new"}
        or not all(number.isdecimal() and len(number) < 10 for number in given.values())
    ):
        raise UsageError(
            f"{text!r} does not say how many tokens",
            where="--benchmark",
            fix="write --benchmark prompt=128,new=64",
        )
    return Lengths(int(given["prompt"]), int(given["new"]))
