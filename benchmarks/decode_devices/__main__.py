"""See the package: `python -m benchmarks.decode_devices --help`."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import benchmarks.decode_devices
from benchmarks.drawing import Panel, panels
from benchmarks.support import describe_machine, keep
from benchmarks.turns import ForeignLoad
from stagecut import backends
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.context_of import context_of, scratch_folder
from stagecut.compiler.entries import Entry, entries_of
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.residents import Residents
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.state import DECODE, Decoding, DecodingOptions
from stagecut.compiler.ir.units import seconds, size
from stagecut.compiler.kept_profile import profile_of
from stagecut.compiler.measurements import Measurements
from stagecut.passes.cluster.cluster import Cluster
from stagecut.passes.expand import Expand
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.catalogue import only

CPUS = ("cpu.serial", "cpu.parallel")
WEIGHTS, CACHE = "weights", "cache"

#: A relative difference that is no larger is rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Row:
    """What a token costs at a context, on the CPUs alone (`device` is empty) or with a device that
    holds `what`: the optimum's total, its nodes on the device, its transfers, and what the CPUs
    still take of it. No schedule takes less than `bound_s`."""

    context: int
    device: str
    what: str
    token_s: float
    bound_s: float
    nodes: int
    device_nodes: int
    transfers: int
    cpu_s: float
    cache_bytes: int


def main() -> None:
    options = _arguments()
    print(f"{describe_machine()}\nCPU measured, other devices and their links modelled (~)")
    rows = _kept(options)
    for row in rows:
        print(_line(row, rows))
    asked = {int(each) for each in options.contexts.split(",")}
    load = ForeignLoad()
    imported: Imported | None = None
    for context in sorted(asked - {row.context for row in rows}):
        imported = imported or import_model(options.model)[0]
        for row in _rows(imported, context, options.devices.split(",")):
            rows.append(row)
            print(_line(row, rows), flush=True)
        _keep(rows, options)
    _keep(rows, options)
    print(load)


def _kept(options: argparse.Namespace) -> list[Row]:
    """What was found before, here and of the same model and devices."""
    file = options.output / "decode_devices.json"
    if not file.exists():
        return []
    document = json.loads(file.read_text())
    if any(document.get(name) != value for name, value in _asked(options).items()):
        return []
    return [Row(**row) for row in document["rows"]]


def _asked(options: argparse.Namespace) -> dict[str, object]:
    """What all rows of a file have in common."""
    return {
        "machine": describe_machine(),
        "model": options.model,
        "devices": options.devices.split(","),
    }


def _keep(found: Sequence[Row], options: argparse.Namespace) -> None:
    """After each context: long ones take long, and who ends them early has the others."""
    rows = sorted(found, key=lambda row: row.context)
    keep(
        "decode_devices",
        {**_asked(options), "basis": "modelled", "rows": [asdict(row) for row in rows]},
        partial(_draw, rows),
        options.output,
    )


def _rows(imported: Imported, context: int, specs: Sequence[str]) -> Iterator[Row]:
    entry, decoding = _decode_step(imported, context)
    cache_bytes = context * decoding.token_bytes
    known = context_of(CPUS, Settings())
    devices = backends.create_all(specs)
    both = replace(known, backends={**known.backends, **devices})
    table = _table(both, entry)
    # devices that run parts of clusters cut them, which CPUs alone need not, and may all the same
    cuts = _table(known, entry), only(table, CPUS)
    alone = min(map(Partition(), cuts), key=lambda solution: solution.total_s)
    yield _row(context, "", "", alone, cache_bytes)
    residents = Residents(decoding.states, decoding.capacity)
    links = [link for device in devices.values() for link in device.links]
    for name in devices:
        with_device = only(table, [*CPUS, name])
        for what, costs in (
            (WEIGHTS, with_device),
            (CACHE, residents.priced(with_device, links)),
        ):
            found = min(Partition()(costs), alone, key=lambda solution: solution.total_s)
            yield _row(context, name, what, found, cache_bytes)


def _decode_step(imported: Imported, context: int) -> tuple[Entry, Decoding]:
    """The entry `decode` behind `context` tokens."""
    options = DecodingOptions(length=context, capacity=context + 1)
    entries, decoding = entries_of(imported, [{}], None, options)
    if decoding is None:
        raise SystemExit(f"{imported.name} is no decoder")
    return next(entry for entry in entries if entry.name == DECODE), decoding


def _table(context: CompileContext, entry: Entry) -> CostTable:
    program = entry.programs[0]
    expanded = Expand(context.backends)(Cluster(context.backends)(graph_of(program)))
    with scratch_folder(context.settings) as folder:
        weights = write_weights([program.model], folder)[0]
        measurements = Measurements(context, program, expanded.graph, weights)
        return profile_of(measurements, expanded).costs


def _row(context: int, device: str, what: str, solution: Solution, cache_bytes: int) -> Row:
    placed = [*solution.assignment.devices.values()]
    busy_s = solution.account.busy_s
    return Row(
        context=context,
        device=device,
        what=what,
        token_s=solution.total_s,
        bound_s=solution.certificate.lower_bound,
        nodes=len(placed),
        device_nodes=placed.count(device),
        transfers=len(list(solution.schedule.transfers)),
        cpu_s=sum(busy for name, busy in busy_s.items() if name != device and ">" not in name),
        cache_bytes=cache_bytes,
    )


def _line(row: Row, rows: Sequence[Row]) -> str:
    alone = next(each for each in rows if each.context == row.context and not each.device)
    name = _name(row)
    modelled = "~" if row.device else " "
    return (
        f"{row.context:>6} tokens, cache {size(row.cache_bytes):>9}  {name:<26} "
        f"{seconds(row.token_s):>9}{modelled} {1 / row.token_s:7.1f} tokens/s "
        f"x{alone.token_s / row.token_s:5.2f}  CPUs {seconds(row.cpu_s):>9}  "
        f"{row.device_nodes:>3} of {row.nodes} nodes there, {row.transfers} transfers"
        f"{_gap(row)}"
    )


def _gap(row: Row) -> str:
    """Where the search has not closed it."""
    gap = 1 - row.bound_s / row.token_s
    return f", within {gap:.2%}" if gap > _ROUNDING else ""


def _name(row: Row) -> str:
    return f"{row.device}, {row.what}" if row.device else "CPUs alone"


def _draw(rows: Sequence[Row], output: Path) -> None:
    places = sorted({row.context for row in rows})
    series: dict[str, list[float | None]] = {}
    for row in rows:
        series.setdefault(_name(row), []).append(row.token_s)
    panel = Panel("time of a token, modelled but for the CPUs", places, series)
    panels(
        output,
        [[panel]],
        across="tokens that came before",
        up="time",
        text=seconds,
        one=False,
    )


def _arguments() -> argparse.Namespace:
    claim = (benchmarks.decode_devices.__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser("python -m benchmarks.decode_devices", description=claim)
    parser.add_argument("--model", default="zoo:llama-100m", help="a decoder")
    parser.add_argument("--contexts", default="128,1024,4096,16384", help="tokens that came before")
    parser.add_argument(
        "--devices", default="pim.hbm,pim.aim,pim.silent,manycore.snitch16", help="specs"
    )
    parser.add_argument("--output", type=Path, default=Path("out"), help="folder for the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
