"""Claim: what a PIM buys a model, and that the best assignment beats the usual ones.

    python -m benchmarks.pim_partition [--models bert-small,gpt2] [--tokens 1,8,64] [--output out]

Transformers with their real shapes, for this machine's CPU (measured) and each PIM preset
(modelled). Every model and length is profiled once, on all devices together; each preset then sees
the part of the table that it knows. Times are totals by the objective's definition:

    serial     all on cpu.serial
    parallel   cpu.parallel wherever it can
    PIM        the PIM wherever it can
    greedy     node after node, each where it is cheapest as things stand
    chain      the published dynamic programming
    optimum    stagecut, proven; `speed-up` is over the best of serial and parallel

A length of 1 is a decode step: one token, matrix-vector products. Writes pim_partition.json and
pim_partition.png.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.drawing import Panel, panels
from benchmarks.support import describe_machine
from stagecut import backends
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.profiling import profile_model
from stagecut.passes.partition.baselines.chain import Chain
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.baselines.priority import Priority
from stagecut.passes.partition.baselines.single import Single
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.catalogue import only

MODELS = ("bert-small", "roberta-base", "gpt2")
TOKENS = (1, 8, 16, 32, 64)
PRESETS = ("pim.hbm", "pim.aim", "pim.silent")
SERIAL, PARALLEL = "cpu.serial", "cpu.parallel"
METHODS = ("serial", "parallel", "PIM", "greedy", "chain", "optimum")


@dataclass(frozen=True, slots=True)
class Row:
    """A model, a length and a preset: the total of each method in seconds, and the optimum's make.

    All totals but `serial` and `parallel` contain modelled parts.
    """

    model: str
    tokens: int
    preset: str
    totals_s: dict[str, float]
    nodes: int
    pim_nodes: int
    transfers: int
    profile_paths: int

    @property
    def speedup(self) -> float:
        best_s = min(self.totals_s["serial"], self.totals_s["parallel"])
        return best_s / self.totals_s["optimum"]


def main() -> None:
    options = _arguments()
    print(f"{describe_machine()}\nCPU measured, PIM and its links modelled (~)")
    print(_heading())
    options.output.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for model in options.models.split(","):
        for tokens in map(int, options.tokens.split(",")):
            for row in _rows(model, tokens, options.presets.split(",")):
                rows.append(row)
                print(_line(row), flush=True)
            _write(rows, options.output / "pim_partition.json")  # so that what is known is kept
    _draw(rows, options.output / "pim_partition.png")
    print(f"wrote pim_partition.json and pim_partition.png into {options.output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=",".join(MODELS), help="names of the zoo")
    parser.add_argument("--tokens", default=",".join(map(str, TOKENS)), help="lengths")
    parser.add_argument(
        "--presets", default=",".join(PRESETS), help="PIM devices: names, or pim:FILE.toml"
    )
    parser.add_argument("--output", type=Path, default=Path("out"), help="folder for the results")
    return parser.parse_args()


def _rows(model: str, tokens: int, presets: Sequence[str]) -> Iterator[Row]:
    profiled = profile_model(f"zoo:{model}:seq={tokens}", devices=[SERIAL, PARALLEL, *presets])
    for preset in backends.create_all(presets):
        table = only(profiled.costs, (SERIAL, PARALLEL, preset))
        solutions = _solved(table, preset)
        best = solutions["optimum"]
        if not best.certificate.exact:
            raise AssertionError(f"{model}, {tokens} tokens, {preset}: {best.certificate}")
        yield Row(
            model=model,
            tokens=tokens,
            preset=preset,
            totals_s={name: solution.total_s for name, solution in solutions.items()},
            nodes=len(table.nodes),
            pim_nodes=list(best.assignment.devices.values()).count(preset),
            transfers=len(list(best.schedule.transfers)),
            profile_paths=len(profiled.paths),
        )


def _solved(table: CostTable, preset: str) -> dict[str, Solution]:
    methods: tuple[Callable[[CostTable], Solution], ...] = (
        Single(SERIAL),
        Priority((PARALLEL, SERIAL)),
        Priority((preset, PARALLEL, SERIAL)),
        Greedy(),
        Chain(),
        Partition(),
    )
    return {name: method(table) for name, method in zip(METHODS, methods, strict=True)}


def _write(rows: Sequence[Row], output: Path) -> None:
    found = [asdict(row) | {"speedup": row.speedup} for row in rows]
    document = {"machine": describe_machine(), "basis": "modelled", "rows": found}
    output.write_text(json.dumps(document, indent=1))


def _heading() -> str:
    totals = " ".join(f"{name:>9}" for name in METHODS)
    return (
        f"{'model':12} {'tokens':>6} {'preset':10} {totals} {'speed-up':>8} "
        f"{'on PIM':>9} {'transfers':>9} {'paths':>5}"
    )


def _line(row: Row) -> str:
    totals = " ".join(f"{seconds(row.totals_s[name]):>9}" for name in METHODS)
    share = f"{row.pim_nodes}/{row.nodes}"
    return (
        f"{row.model:12} {row.tokens:6} {row.preset:10} {totals} {row.speedup:7.2f}x "
        f"{share:>9} {row.transfers:9} {row.profile_paths:5}"
    )


def _draw(rows: Sequence[Row], output: Path) -> None:
    """Speed-ups of PIM-first, greedy, chain and optimum over the best of the CPU alone."""
    models, presets = (list(dict.fromkeys(getattr(r, key) for r in rows)) for key in _AXES)
    panels(
        output,
        [[_panel(rows, model, preset) for preset in presets] for model in models],
        across="tokens",
        up="speed-up over the CPU alone (CPU measured, PIM modelled)",
        text=lambda ratio: f"{ratio:.2f}x",
        one=True,
    )


def _panel(rows: Sequence[Row], model: str, preset: str) -> Panel:
    chosen = [row for row in rows if (row.model, row.preset) == (model, preset)]
    alone_s = [min(row.totals_s["serial"], row.totals_s["parallel"]) for row in chosen]
    series = {
        method: [at_s / row.totals_s[method] for at_s, row in zip(alone_s, chosen, strict=True)]
        for method in METHODS[2:]
    }
    return Panel(f"{model}, {preset}", [row.tokens for row in chosen], series)


_AXES = ("model", "preset")


if __name__ == "__main__":
    main()
