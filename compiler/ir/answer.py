"""The objective `generate:prompt=512,new=128`: the time of a whole answer of a decoder.

    time of an answer = prefill of the prompt + (new - 1) x a step in the middle of the answer

Steps lie behind prompt, prompt + 1, ... tokens: where their time grows in proportion to that, the
middle one takes what all take on average. Entries have a schedule each, so that the least sum is
the sum of the least: each entry is compiled for latency, at its own length.
"""

from dataclasses import replace

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.state import DecodingOptions

_NAME = "generate"


def of_answer(objective: str, options: DecodingOptions) -> tuple[str, DecodingOptions]:
    """What to minimise of each entry, and with it the lengths of the answer that `objective` asks
    for; both as they are where it asks for none.

    Raises UsageError for what cannot be read, and for a prompt that is given twice.
    """
    name, colon, lengths = objective.partition(":")
    if name != _NAME:
        return objective, options
    parts = dict(part.strip().split("=", 1) for part in lengths.split(",") if "=" in part)
    numbers = [parts.get(each, "").strip() for each in ("prompt", "new")]
    if not colon or len(parts) != 2 or not all(n.isdecimal() and len(n) < 10 for n in numbers):
        raise UsageError(
            f"{objective!r} does not say how long the answer is",
            where="objective",
            fix="write generate:prompt=512,new=128",
        )
    prompt, new = map(int, numbers)
    if options.prompt not in {None, prompt}:
        raise UsageError(
            f"the prompt has {prompt} tokens here, and {options.prompt} by itself",
            where=f"objective {objective}",
            fix="leave --prompt out",
        )
    return "latency", replace(options, prompt=prompt, new=new)
