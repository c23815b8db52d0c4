"""How wide the sums are in which this machine's CPU adds products of uint8 and int8.

Those with VNNI add in 32 bits, those with AVX2 alone in 16, where two of 255 x 127 are too many,
and are cut off without a word; two of 255 x 64 fit.
"""

from collections.abc import Mapping

from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.measure.environment import instruction_sets

#: The option that says how many bits weights have, where 7 or 8 are possible.
WEIGHTS = "weights"


def sums_are_narrow() -> bool:
    """Whether they have 16 bits."""
    sets = instruction_sets()
    return "avx2" in sets and not any("vnni" in each or each == "amx_int8" for each in sets)


def with_weights(scheme: Scheme | None, options: Mapping[str, str]) -> Mapping[str, str]:
    """`options` of a device with what weights are on this machine, where these leave it open."""
    if scheme is None or WEIGHTS not in scheme.options:
        return options
    return {**options, WEIGHTS: "7" if scheme.narrow else "8"}
