"""Claim: modelled kernels of many-core clusters take as many cycles as the hardware description.

    python -m benchmarks.manycore_timing [--rows FILE.csv] [--json] [--leave-out]

FILE.csv has a row for each run of the hardware description (those beside this file, where none is
named): kernel, precision, m, n, k, cores, cycles, source, note. Prints every row, then the worst
and the mean error of each kernel; exits with 1 where a row misses its mark. --leave-out shows how
much of that is fitted: the numbers of the bank model are fitted again to two thirds of the
products, drawn by chance, and held against the rest.
"""

import argparse
import csv
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from random import Random

from stagecut.backends.manycore.chip import PRESETS, Chip, chip_of
from stagecut.backends.manycore.kernels import (
    attention,
    barrier,
    dma,
    elementwise,
    expf,
    gelu,
    gemm,
    layernorm,
    softmax,
)

#: What the hardware description says, run cycle by cycle.
_BESIDE = Path(__file__).with_suffix(".csv")

#: Family -> the most that a row may be off, and the mean; a transfer may be off by cycles instead.
MARKS = {
    "dma": (0.05, 0.02),
    "optimised product": (0.06, 0.02),
    "other": (0.08, 0.08),
}
DMA_CYCLES = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A run of the hardware and the model's answer; `error` is a fraction of the former.

    Both are None for a kernel that has no model, which misses its mark.
    """

    kernel: str
    precision: str
    m: int
    n: int
    k: int
    cores: int
    cycles: int
    modelled: float | None
    error: float | None

    @property
    def family(self) -> str:
        if self.kernel.startswith("dma"):
            return "dma"
        return "optimised product" if self.kernel.startswith("gemm_opt") else "other"

    @property
    def misses(self) -> bool:
        if self.modelled is None or self.error is None:
            return True
        close = self.family == "dma" and abs(self.modelled - self.cycles) <= DMA_CYCLES
        return not close and abs(self.error) > MARKS[self.family][0]


def main() -> None:
    options = _arguments()
    if not options.rows.exists():
        sys.exit(f"{options.rows} is not there: name a table of cycles (see --help)")
    with options.rows.open(encoding="utf-8") as lines:
        table = list(csv.DictReader(lines))
    rows = [compared(row) for row in table]
    if options.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}, indent=1))
        return
    for row in rows:
        size = f"{row.kernel} {row.precision} {row.m} {row.n} {row.k} on {row.cores}"
        mark = "  misses" if row.misses else ""
        answer = "no model"
        if row.modelled is not None and row.error is not None:
            answer = f"{row.modelled:9.0f} {row.error:+8.2%}"
        print(f"{size:44} {row.cycles:7} {answer}{mark}")
    for line in summary(rows):
        print(line)
    if options.leave_out:
        for line in left_out(table):
            print(line)
    sys.exit(any(row.misses for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=Path, default=_BESIDE, metavar="FILE.csv")
    parser.add_argument("--json", action="store_true", help="print every row as JSON")
    parser.add_argument("--leave-out", action="store_true", help="fit again to two thirds")
    return parser.parse_args()


def compared(row: Mapping[str, str]) -> Row:
    cycles, answer = int(row["cycles"]), modelled(row)
    error = None if answer is None else answer / cycles - 1
    return Row(row["kernel"], row["precision"], *_sizes(row), cycles, answer, error)


@cache
def chip(precision: str, library: str) -> Chip:
    given = {"precision": "fp64" if precision == "-" else precision, "library": library}
    return chip_of(PRESETS.preset("manycore.snitch16", given))


def modelled(row: Mapping[str, str]) -> float | None:
    """The answer to a row of the table; None for a kernel that has no model."""
    for begin, answer in _MODELS.items():
        if row["kernel"].startswith(begin):
            return answer(row)
    return None


def _sizes(row: Mapping[str, str]) -> tuple[int, int, int, int]:
    m, n, k, cores = (int(row[name]) for name in ("m", "n", "k", "cores"))
    return m, n, k, cores


def _optimised(row: Mapping[str, str], one: Chip | None = None) -> float:
    m, n, k, cores = _sizes(row)
    return gemm.streamed(
        one or chip(row["precision"], "optimised"),
        m,
        n,
        k,
        transposed=_is_transposed(row),
        accumulate="beta=1" in row["note"],
        expanding="nonexp" not in row["kernel"],
        cores=cores,
    )


def _is_transposed(row: Mapping[str, str]) -> bool:
    """Only products in fp64 take B as it is, and only those that do not say so."""
    return row["precision"] != "fp64" or row["kernel"].endswith("_tb")


def _scalar(row: Mapping[str, str]) -> float:
    m, n, k, cores = _sizes(row)
    kinds: dict[str, gemm.Scalar] = {
        "gemm_naive_unrolled": "unrolled",
        "gemm_simd_baseline": "simd",
    }
    return gemm.scalar(
        chip(row["precision"], "baseline"),
        m,
        n,
        k,
        kind=kinds.get(row["kernel"], "naive"),
        transposed=_is_transposed(row),
        cores=cores,
    )


def _dma(row: Mapping[str, str]) -> float:
    m, n, *_ = _sizes(row)
    one = chip("fp64", "optimised")
    direction: dma.Direction = "read"
    if row["kernel"].endswith("l1_to_l3"):
        direction = "write"
    elif row["kernel"].endswith("l1_to_l1"):
        direction = "local"
    if "_2d_" in row["kernel"]:
        return dma.seen_2d(one, m, n, direction)
    misaligned = 8 if row["kernel"].endswith("misaligned8") else 0
    return dma.seen_1d(one, m, direction, count=n, misaligned=misaligned)


def _axpy(row: Mapping[str, str]) -> float:
    library = "baseline" if row["kernel"].endswith("naive") else "optimised"
    return elementwise.axpy(chip(row["precision"], library), int(row["m"]))


def _dot(row: Mapping[str, str]) -> float:
    """The gaps between the operands of the two variants are fits: they are not written down."""
    offset = 96 if "variant 1" in row["note"] else 16
    return elementwise.dot(chip(row["precision"], "optimised"), int(row["m"]), offset=offset)


def _layernorm(row: Mapping[str, str]) -> float:
    m, n, _, cores = _sizes(row)
    library = "baseline" if row["kernel"].endswith("naive") else "optimised"
    return layernorm.layernorm(chip(row["precision"], library), m, n, cores)


def _attention(row: Mapping[str, str]) -> float:
    """Rows, columns and d of a tile; of a whole head, its tile stands in the note."""
    m, n, d, _ = _sizes(row)
    _, library, *phase = row["kernel"].split("_")
    one = chip(row["precision"], "optimised" if library == "opt" else "baseline")
    tile, first = attention.Tile(m, n), "column tile 0" in row["note"]
    match "".join(phase):
        case "":
            words = dict(word.split("=") for word in row["note"].split() if "=" in word)
            tile = attention.Tile(int(words["Br"]), int(words["Bc"]))
            return attention.attention(one, attention.Head(m, n, d), tile)
        case "copyKV":
            return attention.copy_kv(one, tile, d)
        case "QKt":
            return attention.scores(one, tile, d)
        case "softmax":
            return attention.softmax_tile(one, tile, d, first=first)
        case "PV":
            return attention.outputs(one, tile, d, first=first)
    return attention.rescale(one, tile, d)


_MODELS = {
    "gemm_opt": _optimised,
    "gemm": _scalar,
    "dma": _dma,
    "barrier": lambda row: barrier.barrier(chip(row["precision"], "optimised")),
    "axpy": _axpy,
    "dot": _dot,
    "layernorm": _layernorm,
    "softmax": lambda row: softmax.softmax(
        chip(row["precision"], "optimised"), int(row["m"]), int(row["n"])
    ),
    "igelu": lambda row: gelu.gelu(
        chip(row["precision"], "optimised"), int(row["m"]) * int(row["cores"])
    ),
    "expf": lambda row: expf.expf(
        chip(row["precision"], "optimised"), int(row["m"]), near="tcdm" in str(row).lower()
    ),
    "fa2": _attention,
}


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each kernel, and for each family with its marks."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.kernel].append(row)
    yield f"{'kernel':24} {'rows':>4} {'mean':>7} {'worst':>7} missed"
    for kernel, members in groups.items():
        yield _line(kernel, members)
    for family, (worst, mean) in MARKS.items():
        members = [row for row in rows if row.family == family]
        if members:
            yield f"{_line(family, members)}  (marks: worst {worst:.0%}, mean {mean:.0%})"


def _line(name: str, rows: Sequence[Row]) -> str:
    errors = [abs(row.error) for row in rows if row.error is not None] or [float("inf")]
    missed = sum(row.misses for row in rows)
    return f"{name:24} {len(rows):4} {statistics.mean(errors):7.2%} {max(errors):7.2%} {missed:6}"


def left_out(table: Sequence[Mapping[str, str]], draws: int = 5) -> Iterator[str]:
    """What the bank model's numbers are worth: fitted to two thirds, held against the rest."""
    rows = [row for row in table if row["kernel"].startswith("gemm_opt")]
    grid = list(product((3, 4, 5, 6), (2, 3), (10, 20, 30)))
    errors = {point: [_error(row, *point) for row in rows] for point in grid}
    yield "products, fitted to two thirds of the rows and held against the rest:"
    for seed in range(draws):
        held = set(Random(seed).sample(range(len(rows)), len(rows) // 3))  # noqa: S311
        best = min(
            grid,
            key=lambda point: statistics.mean(
                error for index, error in enumerate(errors[point]) if index not in held
            ),
        )
        rest = [errors[best][index] for index in sorted(held)]
        skew, latency, lead = best
        yield (
            f"  draw {seed}: skew {skew}, latency {latency}, lead {lead}; "
            f"{len(rest)} rows: mean {statistics.mean(rest):.2%}, worst {max(rest):.2%}"
        )


def _error(row: Mapping[str, str], skew: int, latency: int, lead: int) -> float:
    """With other numbers of the bank model; the call takes up what comes before the streams."""
    one = chip(row["precision"], "optimised")
    streams = replace(one.streams, start_skew=skew, tcdm_latency=latency, start_lead=lead)
    early = one.streams.start_lead - lead
    changed = replace(one, streams=streams, gemm=replace(one.gemm, call=one.gemm.call + early))
    return abs(_optimised(row, changed) / int(row["cycles"]) - 1)


if __name__ == "__main__":
    main()
