"""What would a 64-core server buy? Streams on a modelled SG2042, with bounds.

    python -m benchmarks.sg2042 [--models mobilenet-v2,resnet-50,vgg-16,bert-base-128] [--draws 16]

Nothing here is measured: the machine is not there. Its figures are published, published within
bounds, or guessed within bounds (backends/server/presets/sg2042.toml says which, and by whom); each
draw takes one value from between the bounds of each, and everything is said as what all draws span,
with what the middle of all bounds gives. What is compared:

    native        every operator on 64 threads, one input at a time
    replicas      16 of the whole model, 4 threads each, with weights of their own or shared
    pipelines     16 stages (or as many as operators can be cut into) on teams of 4 threads, under
                  four mappings of stages to cores; and as few stages as are best, each with as many
                  replicas as there are teams for it

Then what the figures that were held out say of the model, and what of the published factor of a
pipeline over native PyTorch is explained, by what: how much faster native threads would be without
each of the things that slow them down. Writes sg2042.json and sg2042.png.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support import keep, with_models
from stagecut.backends.server.calls import ServerCalls, pools_of
from stagecut.backends.server.cut import cut
from stagecut.backends.server.figures import Figure, Figures, Values
from stagecut.backends.server.machine import Kernels, Server
from stagecut.backends.server.placement import MAPPINGS, Placement, native, pipeline, replicas
from stagecut.backends.server.sg2042 import kernels_of, sg2042
from stagecut.backends.server.work import Work, works_of
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.fluid import Pool, Segment, Traffic
from stagecut.compiler.ir.stream import in_flight
from stagecut.runtime.simulate.simulate import simulate

MODELS = {
    "mobilenet-v2": "zoo:mobilenet-v2",
    "resnet-50": "zoo:resnet-50",
    "vgg-16": "zoo:vgg-16",
    "bert-base-128": "zoo:bert-base:seq=128",
}
CORES, THREADS, TEAMS = 64, 4, 16
STAGES, FEW_STAGES = 16, (2, 4, 8)
#: Inputs that are simulated for each replica.
CYCLES = 3

#: Layers, hidden size, that of the feed-forward part, of keys and values, and the vocabulary; and
#: the bits of a weight.
LLAMAS = {
    "llama, 8B at 4.5 bits, tokens/s": (32, 4096, 14336, 1024, 128256),
    "llama, 14B at 4.5 bits, tokens/s": (48, 5120, 13824, 1024, 152064),
}
BITS = 4.5

#: What slows native threads down, and the machine and the kernels without it.
WITHOUT: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "barriers": ({"l2_line_s": 0.0, "cache_line_s": 0.0}, {}),
    "maps on few threads": ({}, {"grain_elements": 1}),
    "the framework's time for each operator": ({}, {"operator_s": 0.0}),
    "what stays with one thread": ({}, {"serial": 0.0}),
    "memory of other nodes": ({"remote": 1.0}, {}),
}
FEW = "pipeline, few stages, NUMA-aware"
ONE_NODE = "weights in one node's memory"


Stages = Sequence[Sequence[Work]]


@dataclass(frozen=True)
class Drawn:
    """The machine with all figures at one place within their bounds."""

    server: Server
    kernels: Kernels
    in_one_node: float

    @classmethod
    def of(cls, values: Values) -> "Drawn":
        return cls(sg2042(values), kernels_of(values), values["in_one_node"])

    def without(self, thing: str) -> "Drawn":
        if thing == ONE_NODE:
            return replace(self, in_one_node=0.0)
        server, kernels = WITHOUT[thing]
        return replace(
            self,
            server=replace(self.server, **server),
            kernels=replace(self.kernels, **kernels),
        )

    def rate(self, placement: Placement) -> float:
        """Inputs a second."""
        calls = ServerCalls(self.server, self.kernels, placement, self.in_one_node)
        counts = placement.replicas
        alone_s = [
            sum(segment.alone_s for segment in calls(stage, 0, 1)) for stage in range(len(counts))
        ]
        period_s = max(time_s / count for time_s, count in zip(alone_s, counts, strict=True))
        found = simulate(
            calls,
            pools_of(self.server),
            counts,
            inputs=CYCLES * sum(counts),
            limit=in_flight(counts, (1,) * len(counts), period_s, sum(alone_s)),
            spacing_s=period_s,
        )
        return 1 / found.period_s

    def stages(self, works: Sequence[Work], count: int) -> Stages:
        """At most so many, for teams of one cluster."""
        return cut(self.server, self.kernels, works, count, self.server.clusters[0][:THREADS])

    def best_stages(self, works: Sequence[Work]) -> Stages:
        """As many as are best with all teams at work."""

        def period_s(stages: Stages) -> float:
            placement = pipeline(self.server, stages, THREADS, "NUMA-aware")
            calls = ServerCalls(self.server, self.kernels, placement)
            slowest_s = max(
                sum(segment.alone_s for segment in calls(stage, 0, 1))
                for stage in range(len(stages))
            )
            return slowest_s / (TEAMS // len(stages))

        return min((self.stages(works, count) for count in FEW_STAGES), key=period_s)


@dataclass(frozen=True)
class Bounds:
    """What all draws span, and what the middle of all figures gives, which is the first of them."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, draws: Sequence[float]) -> "Bounds":
        return cls(draws[0], min(draws), max(draws))

    def __str__(self) -> str:
        return f"{self.middle:.3g} ({self.low:.3g} .. {self.high:.3g})"


def main() -> None:
    options = _arguments()
    figures = Figures.of("sg2042")
    draws = [Drawn.of(values) for values in figures.draws(options.draws, seed=0)]
    _tell_figures(figures, options.draws)
    checks = _held_out(figures, draws)
    models: dict[str, Any] = {}
    for name in options.models:
        works = works_of(graph_of(load_program(MODELS[name])))
        models[name] = _compared(name, works, draws)
    paper = next(each for each in figures.held_out if each.name.startswith("pipeline"))
    _explained(models, paper)
    document = {
        "basis": "modelled",
        "draws": options.draws,
        "figures": [asdict(each) for each in figures.all],
        "held_out": checks,
        "models": models,
    }
    keep("sg2042", document, partial(_draw, models, paper), options.output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=16, help="places within the bounds")
    return with_models(parser, MODELS)


def _tell_figures(figures: Figures, draws: int) -> None:
    uses = [figure.use for figure in figures.all]
    counted = ", ".join(f"{uses.count(use)} {use}" for use in dict.fromkeys(uses))
    print(f"SG2042, modelled. Figures: {counted}; {draws} draws from their bounds, and the middle")


# -------------------------------------------------------------------------------------- comparison


def _compared(name: str, works: Sequence[Work], draws: Sequence[Drawn]) -> dict[str, Any]:
    rates: dict[str, list[float]] = {}
    slowed: dict[str, list[float]] = {thing: [] for thing in (*WITHOUT, ONE_NODE)}
    counts = []
    for drawn in draws:
        server = drawn.server
        stages, few = drawn.stages(works, STAGES), drawn.best_stages(works)
        counts.append((len(stages), len(few)))
        alone = native(server, works)
        for placement in (
            alone,
            replicas(server, works, THREADS),
            replicas(server, works, THREADS, shared=True),
            *(pipeline(server, stages, THREADS, mapping) for mapping in MAPPINGS),
            replace(pipeline(server, few, THREADS, "NUMA-aware"), name=FEW),
        ):
            rates.setdefault(placement.name, []).append(drawn.rate(placement))
        for thing, found in slowed.items():
            found.append(drawn.without(thing).rate(alone) / rates[alone.name][-1])
    first = next(iter(rates))
    many, fewer = counts[0]
    print(f"{name}: inputs a second, and over native; pipelines of {many} stages, or {fewer}")
    rows = {}
    for placed, each in rates.items():
        ratio = Bounds.of([one / base for one, base in zip(each, rates[first], strict=True)])
        rows[placed] = {"rate": asdict(Bounds.of(each)), "ratio": asdict(ratio)}
        print(f"  {placed:34} {Bounds.of(each)!s:28} {ratio}")
    return {
        "placements": rows,
        "stages": counts,
        "native_without": {thing: asdict(Bounds.of(each)) for thing, each in slowed.items()},
    }


def _explained(models: Mapping[str, Any], paper: Figure) -> None:
    best = {
        name: max(
            (row["ratio"] for placed, row in found["placements"].items() if "pipeline" in placed),
            key=lambda ratio: ratio["high"],
        )
        for name, found in models.items()
    }
    high = max(ratio["high"] for ratio in best.values())
    middle = max(ratio["middle"] for ratio in best.values())
    low = max(ratio["low"] for ratio in best.values())
    print(f"{paper.name}: published {paper.high:g}, modelled {Bounds(middle, low, high)}")
    print(f"  error of the middle {middle / paper.high - 1:+.0%}; {_inside(paper, low, high)}")
    print("native threads would be so many times as fast without")
    for thing in (*WITHOUT, ONE_NODE):
        each = ", ".join(
            f"{name} {Bounds(**found['native_without'][thing])}" for name, found in models.items()
        )
        print(f"  {thing:40} {each}")


def _inside(figure: Figure, low: float, high: float) -> str:
    if low <= figure.high and figure.low <= high:
        return "within the bounds"
    off = figure.high / low - 1 if figure.high < low else figure.low / high - 1
    return f"outside the bounds by {off:+.0%}"


# -------------------------------------------------------------------------------------- held out


def _held_out(figures: Figures, draws: Sequence[Drawn]) -> list[dict[str, Any]]:
    """What the model says of figures that nothing in it was taken from."""
    found = []
    print("held out:")
    for figure in figures.held_out:
        if figure.name in LLAMAS:
            said = [_tokens_per_s(drawn, *LLAMAS[figure.name]) for drawn in draws]
        elif figure.name.startswith("7-zip"):
            said = [_speed_up(drawn, waiting) for drawn, waiting in _with_waiting(draws)]
        else:
            continue  # the factor of pipelines, which the comparison says
        bounds = Bounds.of(said)
        published = math.sqrt(figure.low * figure.high)
        inside = _inside(figure, bounds.low, bounds.high)
        error = bounds.middle / published - 1
        print(
            f"  {figure.name:36} published {published:.3g}, modelled {bounds}: error of the middle "
            f"{error:+.0%}; {inside}"
        )
        found.append(
            {"name": figure.name, "published": published, "error": error, **asdict(bounds)}
        )
    return found


def _tokens_per_s(
    drawn: Drawn, layers: int, hidden: int, inner: int, keys: int, words: int
) -> float:
    """One token after the other, with all threads at each product of a vector and a matrix."""
    shapes = [
        *[(hidden, hidden), (hidden, 2 * keys), (hidden, hidden)],
        *[(hidden, 2 * inner), (inner, hidden)],
    ] * layers + [(hidden, words)]
    works = [
        Work(
            f"product {at}",
            "product",
            flops=2 * rows * columns,
            weight_bytes=int(rows * columns * BITS / 8),
            read_bytes=4 * rows,
            written_bytes=4 * columns,
            elements=columns,
            rows=1,
        )
        for at, (rows, columns) in enumerate(shapes)
    ]
    return drawn.rate(native(drawn.server, works))


def _with_waiting(draws: Sequence[Drawn]) -> list[tuple[Drawn, float]]:
    """What part of its time a thread waits for its L2 when it is alone is not known either."""
    parts = np.random.default_rng(1).permutation(np.linspace(0, 1, max(1, len(draws) - 1)))
    return [*zip(draws, [0.5, *map(float, parts)], strict=True)]


def _speed_up(drawn: Drawn, waiting: float) -> float:
    """Of 64 threads over one, where each waits for one line after the other for that part of its
    time: alone it has its cluster's L2 to itself, with others its data are in the last cache."""
    server = drawn.server
    lines = waiting / server.l2_line_s
    apart = Segment(
        0.0, 1 - waiting, (Traffic(0, 64 * lines, lines * server.cache_line_s),) if lines else ()
    )
    found = simulate(
        lambda *_: [apart],
        [Pool("last cache", server.cache_bytes_per_s)],
        (len(server.cores),),
        inputs=2 * len(server.cores),
        limit=len(server.cores),
    )
    return 1 / found.period_s


# -------------------------------------------------------------------------------------- picture


def _draw(models: Mapping[str, Any], paper: Figure, output: Path) -> None:
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(11, 7), layout="constrained")
    halves: Any = picture.subfigures(2, 1, height_ratios=(3, 2))
    upper, lower = halves
    columns = np.atleast_1d(upper.subplots(1, len(models)))
    for axes, (name, found) in zip(columns, models.items(), strict=True):
        rows = {placed: row["rate"] for placed, row in found["placements"].items()}
        _bars(axes.barh, axes, rows)
        axes.set_yticks(range(len(rows)), [*rows] if axes is columns[0] else [""] * len(rows))
        axes.invert_yaxis()
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("inputs/s")
    upper.suptitle("SG2042, modelled: the middle of all bounds, and what all draws span")
    axes = lower.subplots()
    kinds = {
        f"native, {CORES} threads": "native",
        f"{TEAMS} x {THREADS} replicas, own weights": f"{TEAMS} x {THREADS} replicas",
        "pipeline, NUMA-aware": f"pipeline of up to {STAGES} stages",
        FEW: "pipeline of few stages, with replicas",
    }
    for offset, (placed, label) in zip((-0.3, -0.1, 0.1, 0.3), kinds.items(), strict=True):
        ratios = [found["placements"][placed]["ratio"] for found in models.values()]
        places = np.arange(len(models)) + offset
        middles = [ratio["middle"] for ratio in ratios]
        axes.bar(places, middles, 0.18, label=label)
        axes.errorbar(places, middles, _spans(ratios), fmt="none", color="black", capsize=3)
        for place, ratio in zip(places, ratios, strict=True):
            _write(axes, ratio["middle"], (place, ratio["high"]), (0, 4), ha="center")
    axes.axhline(paper.high, color="grey", linestyle="--", linewidth=1)
    axes.set_ylim(0, 1.25 * paper.high)
    published = f"published: up to {paper.high:g}"
    beside = axes.get_yaxis_transform()
    axes.text(0.99, paper.high, published, ha="right", va="bottom", transform=beside)
    axes.set_xticks(range(len(models)), [*models])
    axes.set_ylabel("times native threads")
    lower.legend(loc="outside lower center", ncols=len(kinds), fontsize=9)
    picture.savefig(output, dpi=120)


def _bars(draw: Any, axes: Any, rows: Mapping[str, Mapping[str, float]]) -> None:
    middles = [row["middle"] for row in rows.values()]
    places = range(len(rows))
    draw(places, middles, color=["C0", "C1", "C1", *["C2"] * (len(rows) - 3)])
    spans = _spans([*rows.values()])
    axes.errorbar(middles, places, xerr=spans, fmt="none", color="black", capsize=3)
    for place, row in zip(places, rows.values(), strict=True):
        _write(axes, row["middle"], (row["high"], place), (4, 0), va="center")
    axes.margins(x=0.2)


def _write(
    axes: Any, value: float, at: tuple[float, float], away: tuple[float, float], **how: str
) -> None:
    written = f"{value:.3g}"
    axes.annotate(written, at, away, textcoords="offset points", fontsize=8, **how)


def _spans(rows: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """How far below and above the middle."""
    return [
        [row["middle"] - row["low"] for row in rows],
        [row["high"] - row["middle"] for row in rows],
    ]


if __name__ == "__main__":
    main()
