"""`stagecut generate`: a plan of a decoder writes on."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.generate_output import measure, print_generated, show_generated
from stagecut.compiler.cli.output import say_on
from stagecut.compiler.ir.errors import UsageError


def generate(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file of a decoder.")],
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="What to go on with; needs --tokenizer. Repeat for each of the sequences that the "
            "plan runs at once.",
        ),
    ] = None,
    prompt_ids: Annotated[
        list[str] | None, typer.Option(metavar="1,2,3", help="The same as tokens.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model's tokenizer.json.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="INPUT=FILE.npy",
            help="Of an encoder-decoder: what its encoder reads; repeat for several.",
        ),
    ] = None,
    max_new: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many tokens to add, at most.")
    ] = 64,
    temperature: Annotated[
        float, typer.Option(help="0 takes the best token; more is more by chance.")
    ] = 0.0,
    top_k: Annotated[int, typer.Option(help="Choose among so many of the best tokens.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Choose among the fewest that have this part of the probability.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Where chance begins.")] = 0,
    stop_ids: Annotated[
        str | None, typer.Option(metavar="1,2,3", help="Tokens that end it, and are left out.")
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="A text that ends it, and is left out; needs --tokenizer. Repeat for several.",
        ),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            metavar="prompt=128,new=64",
            help="Measure with a prompt of random tokens instead: times, memory, and the share of "
            "the memory bandwidth that is reached.",
        ),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print each token when it is there.")
    ] = False,
    fallback: common.FallbackOption = False,
    json: common.JsonOption = False,
) -> None:
    """Go on with a prompt, token by token, and say how fast.

    A plan for several sequences takes as many prompts.

    stagecut generate gpt2.plan --prompt-ids 464,2068 --max-new 16
    stagecut generate gpt2.plan --prompt "The quick" --tokenizer tokenizer.json --stream
    stagecut generate gpt2.plan --benchmark prompt=128,new=64
    """
    heard = common.listener(context.obj, 0.0)
    if benchmark is not None:
        if stream or any((prompt, prompt_ids, tokenizer is not None, stop_ids is not None, stop)):
            raise UsageError(
                "it brings tokens of its own, and no end but their number",
                where="--benchmark",
                fix="leave out prompts, --tokenizer, --stop, --stop-ids and --stream",
            )
        feeds = common.read_feeds(source) or None
        measure(plan, benchmark, feeds, fallback=fallback, listener=heard, json=json)
        return
    if bool(prompt) == bool(prompt_ids):
        raise UsageError(
            "there has to be a prompt, of one kind",
            where="--prompt, --prompt-ids",
            fix="give --prompt-ids 1,2,3, or --prompt TEXT with --tokenizer FILE",
        )
    given = [*(prompt or ()), *(_ids(each, "--prompt-ids") for each in prompt_ids or ())]
    ends = () if stop_ids is None else _ids(stop_ids, "--stop-ids")
    if stream and len(given) > 1:
        raise UsageError(
            "several answers would be printed into each other", where="--stream", fix="leave it out"
        )
    if json and stream:
        raise UsageError(
            "--json prints everything at once", where="--stream", fix="leave one of them out"
        )
    from stagecut.runtime.decoding.generate import Generator
    from stagecut.runtime.decoding.sampling import Sampling
    from stagecut.runtime.decoding.session import DecoderSession
    from stagecut.runtime.decoding.tokenizer import Tokenizer

    sampling = Sampling(temperature, top_k, top_p, seed)
    known = None if tokenizer is None else Tokenizer(tokenizer)
    generator = Generator(DecoderSession(plan, fallback=fallback, listener=heard), known)

    def told(_: int, token: int, text: str) -> None:
        _note_printed(context.obj)
        say_on(text if known is not None else f"{token} ")

    found = generator.several(
        given,
        source=common.read_feeds(source) or None,
        max_new=max_new,
        sampling=sampling,
        stop_ids=ends,
        stops=stop or (),
        on_token=told if stream else None,
    )
    if json:
        print_generated(found, generator)
    else:
        show_generated(found, streamed=stream)


def _note_printed(notes: Path | None) -> None:
    """Or else a process in the place of one that an engine ends would print it all again."""
    from stagecut.compiler.measure.supervisor import PRINTED_NOTE

    if notes is not None:
        with suppress(OSError):  # of a full disk
            (notes / PRINTED_NOTE).touch()


def _ids(text: str, option: str) -> list[int]:
    """`1,2,3` -> `[1, 2, 3]`; raises UsageError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise UsageError(
            f"{text!r} is no list of tokens", where=option, fix=f"write {option} 1,2,3"
        )
    return list(map(int, parts))
