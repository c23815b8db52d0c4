"""What `stagecut sweep --map` prints: regions of two speeds, drawn in letters and one by one."""

import csv
import io
import string
from collections.abc import Iterator

from stagecut.compiler.cli.sweep_output import placed, proved
from stagecut.compiler.report import wording
from stagecut.passes.sweep.speed_map import SpeedMap

#: How many speeds are drawn, across and down.
_ACROSS, _DOWN = 48, 16

#: The letters of regions; those that are left share the last mark.
_LETTERS, _OTHER = string.ascii_uppercase + string.ascii_lowercase, "*"


def map_document(found: SpeedMap) -> dict[str, object]:
    """Amounts in the objective's unit: a region costs `fixed + scaled[0] / speed of the first part
    + scaled[1] / speed of the second`; its corners are pairs of speeds."""
    return {
        "objective": str(found.sweeps[0].objective),
        "map": {
            "parts": [
                {"part": sweep.scale.part, "low": sweep.low, "high": sweep.high}
                for sweep in found.sweeps
            ],
            "regions": [
                {
                    "corners": [[1 / x, 1 / y] for x, y in region.corners],
                    "fixed": region.plane.fixed,
                    "scaled": [region.plane.first, region.plane.second],
                    "assignment": dict(region.plane.answer.assignment.devices),
                }
                for region in found.regions
            ],
            "solves": found.solves,
            "certificate": {"exact": found.gap == 0, "gap": found.gap},
        },
    }


def map_lines(found: SpeedMap) -> Iterator[str]:
    first, second = found.sweeps
    yield (
        f"{first.scale.part} across, {first.low:g} to {first.high:g} times as fast; "
        f"{second.scale.part} up, {second.low:g} to {second.high:g}: "
        f"{wording.count(len(found.regions), 'region')}, found by "
        f"{proved(found.solves, found.gap)}"
    )
    width = max(len(f"{speed:.3g}") for speed in even_speeds(second.low, second.high, _DOWN))
    for speed in reversed([*even_speeds(second.low, second.high, _DOWN)]):
        row = (found.at(across, speed) for across in even_speeds(first.low, first.high, _ACROSS))
        yield f"  {speed:{width}.3g} |{''.join(map(letter, row))}"
    left = f"{first.low:g}"
    yield f"  {'':{width}} +{'-' * _ACROSS}"
    yield f"  {'':{width}}  {left}{first.high:>{_ACROSS - len(left)}g}"
    for index, region in enumerate(found.regions[: len(_LETTERS)]):
        yield f"  {letter(index)}  {placed(region.plane.answer)}"
    more = len(found.regions) - len(_LETTERS)
    if more > 0:
        yield f"  {_OTHER}  {wording.count(more, 'more region')}"


def even_speeds(low: float, high: float, count: int) -> Iterator[float]:
    """So many, from one to the other in equal steps of their logarithm."""
    return (low * (high / low) ** (step / (count - 1)) for step in range(count))


def letter(region: int) -> str:
    """What a region is called."""
    return _LETTERS[region] if region < len(_LETTERS) else _OTHER


def map_csv(found: SpeedMap) -> str:
    """A row for each corner of each region; its borders are straight in 1 / speed."""
    first, second = (sweep.scale.part for sweep in found.sweeps)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("region", f"speed of {first}", f"speed of {second}", "total"))
    for index, region in enumerate(found.regions):
        for x, y in region.corners:
            writer.writerow((index, 1 / x, 1 / y, region.plane.at((x, y))))
    return text.getvalue()
