"""Options of a compile that are about decoders."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
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
StateOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="PAST=PRESENT",
        help="For decoders whose cache has other names than past_key_values.* and present.*: an "
        "input and the output that carries it on; repeat for all of them.",
    ),
]


def decoding_options(
    prompt: int | None, capacity: int | None, states: Sequence[str] | None
) -> "DecodingOptions":
    """Raises UsageError for what makes no sense."""
    from stagecut.compiler.ir.state import DecodingOptions

    pairs: dict[str, str] = {}
    for text in states or ():
        past, equals, present = text.partition("=")
        if not (past and equals and present) or past in pairs:
            raise UsageError(
                f"{text!r} does not pair an input with an output",
                where="--state",
                fix="write --state PAST=PRESENT, once for each input",
            )
        pairs[past] = present
    return DecodingOptions(prompt, capacity, pairs)
