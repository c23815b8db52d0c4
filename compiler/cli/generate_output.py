"""What `stagecut generate` says of what came out, and of a benchmark."""

from pathlib import Path
from typing import TYPE_CHECKING

from stagecut.compiler.cli.output import note, print_json, say
from stagecut.compiler.ir import units
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Feeds
    from stagecut.runtime.decoding.benchmark import Lengths, Measured
    from stagecut.runtime.decoding.generate import Generated, Generator

_SCHEMA = "stagecut.generate/1"


def print_generated(found: "Generated", generator: "Generator") -> None:
    """As JSON, with the share of the memory bandwidth that was reached."""
    from stagecut.compiler.measure.read_bandwidth import read_bandwidth
    from stagecut.runtime.decoding.benchmark import share_of

    print_json(
        _SCHEMA,
        {
            "tokens": list(found.tokens),
            **({} if found.text is None else {"text": found.text}),
            "first_token_s": found.first_token_s,
            "tokens_per_s": found.tokens_per_s,
            "memory_bytes": found.memory_bytes,
            "bandwidth_share": share_of(found, generator, read_bandwidth()),
        },
    )


def show_generated(found: "Generated", *, streamed: bool) -> None:
    """The text or the tokens, unless they have been printed as they came; the times are a note."""
    written = " ".join(map(str, found.tokens)) if found.text is None else found.text
    say(*([""] if streamed else written.split("\n")))
    rate = "" if found.tokens_per_s is None else f", then {found.tokens_per_s:.1f} tokens/s"
    note(
        f"first token after {units.seconds(found.first_token_s)}{rate}; "
        f"the sequence took {units.size(found.memory_bytes)}"
    )


def measure(plan: Path, text: str, source: "Feeds | None", *, fallback: bool, json: bool) -> None:
    """Benchmark a plan at the lengths that `text` tells, of an encoder-decoder with `source`, and
    say what was found."""
    from stagecut.compiler.measure.foreign_load import foreign_load, read_load
    from stagecut.runtime.decoding.benchmark import benchmark
    from stagecut.runtime.decoding.generate import Generator
    from stagecut.runtime.decoding.session import DecoderSession

    lengths = _lengths(text)
    generator = Generator(DecoderSession(plan, fallback=fallback))
    before = read_load()
    found = benchmark(generator, lengths, source)
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
            "foreign_load": taken,
        },
    )


def _show_measured(
    found: "Measured", lengths: "Lengths", weight_bytes: int, taken: float | None
) -> None:
    say(
        f"first token   {units.seconds(found.first_token_s)}, behind {lengths.prompt} tokens",
        f"a token       {units.seconds(found.token_s)}, {found.tokens_per_s:.1f} tokens/s, median "
        f"of {lengths.new - 1} in each of {found.rounds} runs",
        f"memory        {units.size(found.memory_bytes)} for the sequence; weights that a token "
        f"reads {units.size(weight_bytes)}",
        f"bandwidth     {found.bandwidth_share:.0%} of the {found.read_bytes_per_s / 1e9:.1f} GB/s "
        f"that this machine reads: {units.size(found.step_bytes)} a token",
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
