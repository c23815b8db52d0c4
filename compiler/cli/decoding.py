"""Options of a compile that are about decoders."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from stagecut.compiler.cli.options import one_of
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import Plan
    from stagecut.compiler.frontends.shapes import Shapes
    from stagecut.compiler.ir.state import DecodingOptions

PromptOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--prompt",
        metavar="N",
        help="For decoders: how many tokens prefill is measured with; 128 unless said, or half of "
        "a smaller capacity.",
    ),
]
CapacityOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--capacity",
        metavar="N",
        help="For decoders: the most tokens that a sequence holds, prompt included; what a model "
        "of the zoo has room for, or 1024.",
    ),
]
SequencesOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--sequences",
        metavar="N",
        help="For decoders whose batch is open: how many sequences run at once, in the same steps; "
        "1 unless said.",
    ),
]
StateOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="PAST=PRESENT",
        help="For decoders whose cache has other names than past_key_values.* and present.*: an "
        "input and the output that carries it on; repeat for all of them.",
    ),
]
EncoderOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--encoder",
        metavar="FILE.onnx",
        help="For the decoder of an encoder-decoder: the encoder's file. A folder as MODEL names "
        "both.",
    ),
]
HandOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--hand",
        metavar="OUTPUT=INPUT",
        help="An output of the encoder and the decoder's input that reads it, where their names do "
        "not say so; repeat for several.",
    ),
]
LengthOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--length",
        metavar="N[,N,...]",
        help="For decoders: how many tokens the step lies behind that decode is measured with; "
        "half way from the prompt to the capacity unless said. With several lengths, the plan has "
        "a variant for each, and a sequence goes from one to the next.",
    ),
]
LengthsOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--length",
        metavar="N[,N,...]",
        help="Of a decoder, the step behind so many tokens; with several lengths, its costs at "
        "each of them, and on lines between.",
    ),
]

EntryOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--entry",
        metavar="NAME",
        help="For decoders: the entry that it is about (decode, prefill or encode); decode unless "
        "said.",
    ),
]
EveryEntryOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--entry",
        metavar="NAME",
        help="For decoders: the entry that it is about (decode, prefill or encode); all of them, "
        "decode first, unless said.",
    ),
]

#: No cache has more tokens, and no number more digits.
_MOST_DIGITS = 9


def parse_lengths(text: str | None) -> tuple[int, ...]:
    """`128,1024` -> `(128, 1024)`, each once, by size; none where nothing is said. Raises
    UsageError."""
    if text is None:
        return ()
    numbers = [each.strip() for each in text.split(",")]
    if not all(each.isdecimal() and len(each) <= _MOST_DIGITS for each in numbers):
        raise UsageError(
            f"{text!r} is no list of lengths",
            where="--length",
            fix="write how many tokens, as in --length 128,1024,4096",
        )
    return tuple(sorted({*map(int, numbers)}))


def at_length(lengths: Sequence[int], states: Sequence[str] | None = None) -> "DecodingOptions":
    """What asks for the step at the one length that is said, if any; raises UsageError where there
    are more."""
    if len(lengths) > 1:
        raise UsageError(
            f"{', '.join(map(str, lengths))} are {len(lengths)} lengths",
            where="--length",
            fix="give one",
        )
    return decoding_options(None, None, states, lengths)


def decoding_options(
    prompt: int | None,
    capacity: int | None,
    states: Sequence[str] | None,
    lengths: Sequence[int] = (),
    encoder: Path | None = None,
    handed: Sequence[str] | None = None,
    sequences: int | None = None,
) -> "DecodingOptions":
    """Raises UsageError for what makes no sense."""
    from stagecut.compiler.ir.state import DecodingOptions

    return DecodingOptions(
        prompt,
        capacity,
        _pairs(states, "--state", "PAST=PRESENT", "an input with an output"),
        length=lengths[0] if lengths else None,
        encoder=encoder,
        handed=_pairs(handed, "--hand", "OUTPUT=INPUT", "an output with an input"),
        sequences=sequences,
        further=tuple(lengths[1:]),
    )


def entries_asked(plan: "Plan", entry: str | None, shapes: "Shapes") -> "tuple[str | None, ...]":
    """The entries that a command is about: the one that is asked for, or of a decoder all of them,
    what a token takes first. None stands for whichever has the shapes, where these are asked for.

    Raises UsageError for an entry that the plan does not have.
    """
    from stagecut.compiler.report.model.entries import entries_in_order

    if entry is not None:
        return (one_of(entry, [*plan.document.entries], "--entry"),)
    every = () if shapes else entries_in_order(plan.document.entries)
    return every or (None,)


def _pairs(texts: Sequence[str] | None, option: str, form: str, what: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts or ():
        one, equals, other = text.partition("=")
        if not (one and equals and other) or one in pairs:
            raise UsageError(
                f"{text!r} does not pair {what}",
                where=option,
                fix=f"write {option} {form}, once for each",
            )
        pairs[one] = other
    return pairs
