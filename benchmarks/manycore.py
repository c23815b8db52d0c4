"""Claim: what each optimisation of a many-core library brings to transformers.

    python -m benchmarks.manycore [--models vit-b,gpt-j] [--precisions fp64,fp8] [--clusters 16]
                                  [--steps baseline,library] [--device manycore.snitch16]
                                  [--output out] [--resume]

Every figure is modelled: costs are those of the device's kernels (`backends/manycore`), block after
block, so that no weights are built. Decoders see all tokens (nar), or one token against a cache
(ar). Each column adds something to the one before it:

    baseline    scalar code, no streams, no repetition, no SIMD, nothing fused
    library     the optimised library: what follows a product is done on its tiles
    buffered    transfers hidden behind kernels, where there is room and that is faster
    found       tiles found, not given
    near exp    the constants of the exponential in the scratchpad
    turned V    V kept transposed
    multiplied  accumulators multiplied, not divided
    split N     all cores work on a single row
    kept rows   rows stay in the scratchpads from a norm through the products behind it, where
                that is faster

`products` is the utilisation of the products alone, of the clusters in use; `shares` in the JSON is
the part of the cycles that each kind of kernel takes.

Operations are counted as usual: two for a multiply-add, four S S P for an attention of S tokens by
P numbers, half of that where it is causal. Utilisation (`use`) is of the peak of the whole chip,
and beside it of the clusters that have work, as the published figure counts it. `as counted` is
`buffered` with the rest of that count: 192 tokens of 197, and transfers that disturb no core.
Writes manycore.json, manycore_breakdown.png, manycore_kernels.png, manycore_lengths.png and
manycore_clusters.png. The whole takes a while: what is done is written after each case, and
`--resume` goes on from there.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.drawing import Panel, bars, panels
from benchmarks.manycore_headlines import Headline, headlines
from benchmarks.manycore_models import MODELS, Case, Model, works
from stagecut import backends
from stagecut.backends.manycore.costs import Cost, costs
from stagecut.backends.manycore.device import ManycoreBackend
from stagecut.backends.manycore.work import UnsupportedError

PRECISIONS = ("fp64", "fp32", "fp16", "fp8")
CLUSTERS = (4, 8, 16, 32, 64)
LENGTHS = (128, 256, 512, 1024, 2048)
USUAL_CLUSTERS = 16

#: Column -> the options that it adds to those of the columns before it.
STEPS = {
    "baseline": "library=baseline",
    "library": "library=optimised",
    "buffered": "double_buffer=on",
    "found": "find_tiles=on",
    "near exp": "near_exp=on",
    "turned V": "transposed_v=on",
    "multiplied": "multiply_not_divide=on",
    "split N": "split_n=on",
    "kept rows": "keep_rows=on",
}
EVERYTHING = tuple(STEPS)[-1]

#: How the published utilisation of encoders is counted, and after which step.
COUNTED_TOKENS, COUNTED_AFTER, COUNTED = 192, "buffered", "dma_disturbs=0"


@dataclass(frozen=True, slots=True)
class Row:
    """What a model takes with one set of options; `per_s` counts images or tokens. `products` is
    the utilisation of its products, None where they are one with other kernels."""

    model: str
    mode: str
    tokens: int
    precision: str
    clusters: int
    step: str
    cycles: float
    utilisation: float
    utilisation_in_use: float
    products: float | None
    shares: Mapping[str, float]
    gflop_per_s: float
    gflop_per_j: float
    gflop_per_j_without_hbm: float
    per_s: float

    def is_of(self, case: Case) -> bool:
        """`as counted` belongs to the encoder's case, whatever its tokens are."""
        return (self.model, self.mode, self.precision, self.clusters) == (
            case.model.name,
            case.mode,
            case.precision,
            case.clusters,
        ) and (self.mode == "encoder" or self.tokens == case.tokens)


def main() -> None:
    options = _arguments()
    models = [MODELS[name] for name in options.models.split(",")]
    precisions = options.precisions.split(",")
    lengths, clusters = (
        [*map(int, each.split(","))] for each in (options.lengths, options.clusters)
    )
    print("all figures modelled; speed-up is over the baseline of the same precision")
    print(_heading())
    results = options.output / "manycore.json"
    options.output.mkdir(parents=True, exist_ok=True)
    run = {"device": options.device, "steps": options.steps, "basis": "modelled"}
    done = _done(results, run) if options.resume else []
    rows = []
    for case in cases(models, precisions, lengths, clusters):
        found = [row for row in done if row.is_of(case)]
        if not found:
            found = [
                *_steps(options.device, case, options.steps),
                *_as_counted(options.device, case),
            ]
            done += found
            _write(results, run, done)
        rows += found
        for row in found:
            print(_line(row, found[0]), flush=True)
    print()
    published = headlines(rows)
    for line in published:
        print(line)
    _write(results, run, rows, published)
    _draw(rows, options.output)
    print(f"wrote manycore.json and its pictures into {options.output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=",".join(MODELS), help=", ".join(MODELS))
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="of decoders")
    parser.add_argument("--clusters", default=",".join(map(str, CLUSTERS)))
    parser.add_argument("--steps", type=steps_of, default=[*STEPS], help="besides baseline")
    parser.add_argument("--device", default="manycore.snitch16", help="a preset, or with options")
    parser.add_argument("--output", type=Path, default=Path("out"), help="folder for the results")
    parser.add_argument(
        "--resume", action="store_true", help="take over what its manycore.json has of this device"
    )
    return parser.parse_args()


def _done(results: Path, run: Mapping[str, object]) -> list[Row]:
    """What an earlier run with the same device and steps has left."""
    if not results.exists():
        return []
    document = json.loads(results.read_text())
    if any(document.get(name) != value for name, value in run.items()):
        return []
    return [Row(**row) for row in document["rows"]]


def _write(
    results: Path,
    run: Mapping[str, object],
    rows: Sequence[Row],
    published: Sequence[Headline] = (),
) -> None:
    document = {
        **run,
        "rows": [asdict(row) for row in rows],
        "headlines": [asdict(each) for each in published],
    }
    unfinished = results.with_suffix(".tmp")
    unfinished.write_text(json.dumps(document, indent=1))
    unfinished.replace(results)


def steps_of(text: str) -> list[str]:
    """Those that are named, in their order; baseline, which speed-ups are over, is one always."""
    asked = text.split(",")
    for name in asked:
        if name not in STEPS:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(STEPS)}")
    return [step for step in STEPS if step in asked or step == "baseline"]


def cases(
    models: Sequence[Model],
    precisions: Sequence[str],
    lengths: Sequence[int],
    clusters: Sequence[int],
) -> Iterator[Case]:
    """Every length with the usual number of clusters, and every number with the usual length."""
    for model in models:
        for mode in model.modes:
            for precision in precisions:
                for tokens in lengths if mode != "encoder" else (model.tokens,):
                    yield Case(model, mode, tokens, precision, USUAL_CLUSTERS)
                for count in clusters:
                    if count != USUAL_CLUSTERS:
                        yield Case(model, mode, model.tokens, precision, count)


def _steps(device: str, case: Case, steps: Iterable[str] = STEPS) -> Iterator[Row]:
    """One row for each column, as far as there is room in the scratchpads."""
    for step in steps:
        try:
            yield _row(backend_after(device, case, step), case, step)
        except UnsupportedError as reason:
            print(f"{case.model.name} {case.mode} {case.precision}, {step}: {reason}")


def _as_counted(device: str, case: Case) -> Iterator[Row]:
    if case.mode == "encoder" and case.clusters == USUAL_CLUSTERS:
        backend = backend_after(device, case, COUNTED_AFTER, COUNTED)
        yield _row(backend, replace(case, tokens=COUNTED_TOKENS), "as counted")


def backend_after(device: str, case: Case, step: str, *further: str) -> ManycoreBackend:
    """The device that `spec_after` says."""
    backend = backends.create(spec_after(device, case, step, *further))
    if not isinstance(backend, ManycoreBackend):
        raise SystemExit(f"{device} is no many-core device")
    return backend


def spec_after(device: str, case: Case, step: str, *further: str) -> str:
    """The device in the case's precision, with what all steps up to this one add to it."""
    name, _, own = device.partition(":")
    given: dict[str, str] = dict(each.split("=") for each in own.split(",") if each)
    given["precision"] = case.precision
    given["clusters"], given["ports"] = str(case.clusters), str(min(8, case.clusters))
    added = tuple(STEPS.values())[: tuple(STEPS).index(step) + 1]
    given |= dict(option.split("=") for option in (*added, *further))
    return f"{name}:{','.join(map('='.join, given.items()))}"


def _row(backend: ManycoreBackend, case: Case, step: str) -> Row:
    chip = backend.chip
    found = [each for work in works(case, fused=chip.optimised) for each in costs(chip, work)]
    block = sum(each.cycles for each in found)
    of_kernel: defaultdict[str, float] = defaultdict(float)
    for each in found:
        of_kernel[each.kernel] += each.cycles
    multiplied = sum(each.cycles * each.utilisation(chip) for each in found if _is_product(each))
    cycles = case.model.blocks * block
    flops = case.model.blocks * sum(each.flops for each in found)
    energy_j = case.model.blocks * sum(each.energy_j(chip) for each in found)
    hbm_j = 8 * chip.energy.hbm_j_per_bit * sum(each.dma_bytes for each in found)
    on_chip_j = energy_j - case.model.blocks * hbm_j
    taken_s = cycles / chip.geometry.clock_hz
    return Row(
        model=case.model.name,
        mode=case.mode,
        tokens=case.tokens,
        precision=case.precision,
        clusters=case.clusters,
        step=step,
        cycles=cycles,
        utilisation=flops / (cycles * chip.flop_per_cycle),
        utilisation_in_use=sum(each.cycles * each.utilisation(chip) for each in found) / block,
        products=multiplied / of_kernel["product"] if of_kernel["product"] else None,
        shares={kernel: taken / block for kernel, taken in of_kernel.items()},
        gflop_per_s=flops / taken_s / 1e9,
        gflop_per_j=flops / energy_j / 1e9,
        gflop_per_j_without_hbm=flops / on_chip_j / 1e9,
        per_s=(case.tokens if case.mode == "nar" else 1) / taken_s,
    )


def _is_product(cost: Cost) -> bool:
    return cost.kernel == "product"


def _heading() -> str:
    return (
        f"{'model':8} {'mode':8} {'tokens':>6} {'precision':9} {'clusters':>8} {'step':11} "
        f"{'Mcycles':>9} {'speed-up':>8} {'use':>6} {'in use':>6} {'products':>8} "
        f"{'GFLOP/s':>8} {'GFLOP/J':>8} {'per s':>9}"
    )


def _line(row: Row, first: Row) -> str:
    return (
        f"{row.model:8} {row.mode:8} {row.tokens:6} {row.precision:9} {row.clusters:8} "
        f"{row.step:11} {row.cycles / 1e6:9.1f} {first.cycles / row.cycles:7.1f}x "
        f"{row.utilisation:6.1%} {row.utilisation_in_use:6.1%} "
        f"{'' if row.products is None else format(row.products, '.1%'):>8} "
        f"{row.gflop_per_s:8.1f} {row.gflop_per_j:8.1f} {row.per_s:9.2f}"
    )


def _draw(rows: Sequence[Row], output: Path) -> None:
    usual = [row for row in rows if row.clusters == USUAL_CLUSTERS]
    most: dict[str, int] = {}
    for row in rows:
        most[row.model] = max(row.tokens, most.get(row.model, 0))
    longest = [row for row in usual if row.tokens == most[row.model]]
    names = list(dict.fromkeys((row.model, row.mode, row.precision) for row in longest))
    taken = {(row.model, row.mode, row.precision, row.step): row.cycles for row in longest}
    speedups = {
        step: [
            taken[*name, "baseline"] / taken[*name, step] if (*name, step) in taken else None
            for name in names
        ]
        for step in list(STEPS)[1:]
    }
    bars(
        output / "manycore_breakdown.png",
        [" ".join(name) for name in names],
        speedups,
        "speed-up over the baseline of the same precision (modelled)",
        lambda ratio: f"{ratio:.1f}x",
    )
    library = [row for row in longest if row.step == "library"]
    kernels = dict.fromkeys(kernel for row in library for kernel in row.shares)
    if library:
        bars(
            output / "manycore_kernels.png",
            [f"{row.model} {row.mode} {row.precision}" for row in library],
            {kernel: [100 * row.shares.get(kernel, 0.0) for row in library] for kernel in kernels},
            "% of the library's cycles (modelled)",
            lambda share: f"{share:.1f}",
            one=False,
        )
    lengths = [row for row in usual if row.mode != "encoder"]
    if lengths:
        _lines(lengths, "tokens", output / "manycore_lengths.png")
    at_usual = [row for row in rows if row.tokens == most[row.model]]
    if len({row.clusters for row in at_usual}) > 1:
        _lines(at_usual, "clusters", output / "manycore_clusters.png")


def _lines(rows: Sequence[Row], across: str, output: Path) -> None:
    """Images or tokens a second of the library and with all that was added to it."""
    last = max({row.step for row in rows} & STEPS.keys(), key=[*STEPS].index)
    named = {"library": "library", last: "every lever" if last == EVERYTHING else f"up to {last}"}
    chosen = [row for row in rows if row.step in named]
    kinds = list(dict.fromkeys((row.model, row.mode) for row in chosen))
    places = sorted({getattr(row, across) for row in chosen})
    precisions = list(dict.fromkeys(row.precision for row in chosen))
    grid = []
    for model, mode in kinds:
        line = []
        for step, added in named.items():
            here = [r for r in chosen if (r.model, r.mode, r.step) == (model, mode, step)]
            series = {
                precision: [
                    next(
                        (
                            row.per_s
                            for row in here
                            if (row.precision, getattr(row, across)) == (precision, place)
                        ),
                        None,
                    )
                    for place in places
                ]
                for precision in precisions
            }
            line.append(Panel(f"{model} {mode}, {added}", places, series))
        grid.append(line)
    panels(
        output,
        grid,
        across=across,
        up="images, prompt tokens or tokens a second (modelled)",
        text=lambda rate: f"{rate:.3g}",
        one=False,
    )


if __name__ == "__main__":
    main()
