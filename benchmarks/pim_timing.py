"""Claim: modelled PIM kernels take as many cycles as in the vendors' simulators.

    python -m benchmarks.pim_timing [TABLE.csv] [--rows]

TABLE.csv has a row for each simulation (the one beside this file, where none is named): simulator,
refresh (on, off, or none where the simulator knows none), op, out, in, batch, channels, pim_cycles,
and where known readback_cycles, pim_rd_total and pim_wr_total. Prints the worst and the mean error
for each simulator, operator and refresh, and whether command counts are exact; --rows prints every
row.
"""

import argparse
import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stagecut.backends import operator_model
from stagecut.backends.pim.estimate import OperatorEstimate

#: What the vendors' simulators, of the commits that it names, say.
_BESIDE = Path(__file__).with_suffix(".csv")

_ELEMENTWISE = {"add": 2, "mul": 2, "relu": 1}


@dataclass(frozen=True, slots=True)
class Row:
    """A simulation and the model's answer. Errors are fractions, None where nothing is known."""

    group: tuple[str, str, str]
    case: str
    simulated: int
    modelled: int
    readback_error: float | None
    counts_agree: bool | None

    @property
    def error(self) -> float:
        return self.modelled / self.simulated - 1


def main() -> None:
    options = _arguments()
    if not options.table.exists():
        sys.exit(f"{options.table} is not there: name a table of simulated cycles (see --help)")
    with options.table.open() as lines:
        rows = [_compared(row) for row in csv.DictReader(lines)]
    if options.rows:
        for row in rows:
            print(f"{row.case:44} {row.simulated:9} {row.modelled:9} {row.error:+8.3%}")
    for line in _summary(rows):
        print(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", type=Path, nargs="?", default=_BESIDE)
    parser.add_argument("--rows", action="store_true", help="print every row")
    return parser.parse_args()


def _compared(row: Mapping[str, str]) -> Row:
    answer = _answer(row)
    group = (row["simulator"], row["op"], row["refresh"])
    size = f"{row['out']}x{row['in']}" if row["in"] else row["out"]
    readback = int(row["readback_cycles"] or 0)
    counts = (row["pim_rd_total"], row["pim_wr_total"])
    commands = (answer.commands.rd, answer.commands.wr)
    return Row(
        group=group,
        case=f"{row['op']} {size} batch {row['batch']} on {row['channels']}, {row['refresh']}",
        simulated=int(row["pim_cycles"]),
        modelled=answer.cycles,
        readback_error=answer.readback_cycles / readback - 1 if readback else None,
        counts_agree=tuple(map(int, counts)) == commands if all(counts) else None,
    )


def _answer(row: Mapping[str, str]) -> OperatorEstimate:
    if row["refresh"] == "none":
        device = f"pim.aim:channels={row['channels']}"
    else:
        tree = "on" if row["op"] == "gemvtree" else "off"
        device = f"pim.hbm:channels={row['channels']},refresh={row['refresh']},tree={tree}"
    found = operator_model(device).estimate_operator(*_operator(row), None)
    if not isinstance(found, OperatorEstimate):
        raise TypeError(f"{device} answers with a {type(found).__name__}")
    return found


def _operator(row: Mapping[str, str]) -> tuple[str, list[tuple[int, ...]]]:
    """The ONNX operator and the shapes of its operands."""
    outer = int(row["out"])
    if row["op"].startswith("gemv"):
        inner, batch = int(row["in"]), int(row["batch"])
        return "MatMul", [(batch, inner), (inner, outer)]
    if row["op"] == "bn":
        return "BatchNormalization", [(1, 1, outer), *[(1,)] * 4]
    return row["op"].capitalize(), [(outer,)] * _ELEMENTWISE[row["op"]]


def _summary(rows: list[Row]) -> Iterator[str]:
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    yield (
        f"{'simulator':24} {'op':9} {'refresh':7} {'rows':>4} {'exact':>5} {'mean':>7} "
        f"{'worst':>7} {'read-back':>9} counts"
    )
    for (simulator, op, refresh), members in groups.items():
        errors = [abs(row.error) for row in members]
        readback = [abs(row.readback_error) for row in members if row.readback_error is not None]
        counted = [row.counts_agree for row in members if row.counts_agree is not None]
        yield (
            f"{simulator:24} {op:9} {refresh:7} {len(members):4} "
            f"{sum(error == 0 for error in errors):5} {statistics.mean(errors):7.3%} "
            f"{max(errors):7.3%} {f'{max(readback):.3%}' if readback else '-':>9} "
            f"{f'{sum(counted)} of {len(counted)} equal' if counted else '-'}"
        )
    errors = [abs(row.error) for row in rows]
    yield f"all {len(rows)} rows: mean {statistics.mean(errors):.3%}, worst {max(errors):.3%}"


if __name__ == "__main__":
    main()
