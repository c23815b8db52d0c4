"""`stagecut sweep`: curves and catalogues as a user asks for them."""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import onnx
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.cli.sweep_asked import read_entries
from stagecut.compiler.cli.sweep_drawing import colours_of, curves_drawing
from stagecut.compiler.cli.sweep_output import changed, proved
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.passes.sweep.scale import Scale
from stagecut.passes.sweep.sweep import Breakpoint, Move, Sweep
from stagecut.passes.sweep.tornado import tornado
from tests.support import small_plans
from tests.support.browser import chromium
from tests.support.command_line import Said, stagecut
from tests.support.decoders import decoder_plan, tiny_decoder
from tests.support.onnx_models import MODELS
from tests.support.scattered import scattered
from tests.support.tables import US, cost_table

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage

Run: TypeAlias = Callable[..., Said]

#: With b on pim at speed s, 6 + 8 / s; with both there, 4 + 16 / s; on cpu, 12.
TABLE = cost_table(
    "a(x): cpu 2, pim 8\n b(a): cpu 10, pim 8", inputs="x@host", outputs="b@host", transfer_us=2
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("costs.json").write_text(write_costs(TABLE))
    return lambda *arguments: stagecut(capsys, monkeypatch, "sweep", *arguments)


def _json(said: Said) -> Any:
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_every_change_is_told(run: Run) -> None:
    found = _json(run("costs.json", "--scale", "pim=0.5..8", "--json"))
    assert (found["schema"], found["costs"]) == ("stagecut.sweep/1", "costs.json")
    [curve] = found["curves"]
    assert [point["at"] for point in curve["breakpoints"]] == pytest.approx([4 / 3, 4])
    assert curve["breakpoints"][0]["moved"] == [{"node": "b", "before": "cpu", "after": "pim"}]
    assert curve["break_even"] == pytest.approx(4 / 3)
    assert curve["certificate"] == {"exact": True, "gap": 0.0}
    assert (curve["solves"], curve["elasticity"]) == (5, 0.0)


def test_for_people(run: Run) -> None:
    assert run("costs.json", "--scale", "pim=0.5..8").out.splitlines() == [
        "pim, 0.5 to 8 times as fast: 2 changes, found by 5 partitions, each proved optimal",
        "      speed      total  what changes",
        "        0.5    12.0 µs  2 nodes on cpu",
        "      1.333    12.0 µs  b: cpu → pim",
        "          4    8.00 µs  a: cpu → pim",
        "          8    6.00 µs  2 nodes on pim",
        "  break-even: worth nothing up to 1.333 times its speed",
        "  as things stand, 1 % more speed saves 0.00 %",
    ]


@pytest.mark.parametrize("columns", [80, 160])
def test_nodes_that_move_alike_stand_in_one_line(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """As many names as there is room for; never more than the terminal is wide."""
    monkeypatch.setenv("COLUMNS", str(columns))
    encoder = [Move(f"/encoder/layer.{at}/attention/MatMul", "cpu", "pim") for at in range(4)]
    point = Breakpoint(2.0, 1.0, (*encoder, Move("out", "pim", "cpu")))
    head = f"{'2':>11}  {'1.00 s':>9}  "
    lines = [*changed(head, point)]
    named = {
        80: "/encoder/layer.0/attention/MatMul and 3 more: cpu → pim",
        160: "/encoder/layer.0/attention/MatMul, /encoder/layer.1/attention/MatMul, "
        "/encoder/layer.2/attention/MatMul and 1 more: cpu → pim",
    }
    assert lines == [f"{head}{named[columns]}", f"{'':24}out: pim → cpu"]
    [line] = changed(head, replace(point, moved=(Move("/block" * 30, "cpu", "pim"),)))
    assert len(line) <= columns
    assert line.endswith(": cpu → pim")


def test_two_nodes_are_both_named() -> None:
    moved = tuple(Move(name, "cpu", "pim") for name in ("up", "down"))
    assert [*changed("", Breakpoint(2.0, 1.0, moved))] == ["up and down: cpu → pim"]


@pytest.mark.parametrize("stripes", [(8, 0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 0, 8, 16, 1)])
def test_neighbours_on_a_map_have_different_colours(stripes: tuple[int, ...]) -> None:
    """There are eight: those of the ninth and the seventeenth are some that there were before."""
    at = (0.0, 0.0)
    for grid in ([[(stripe, at) for stripe in stripes]], [[(stripe, at)] for stripe in stripes]):
        colours = [*colours_of(grid, 17)]
        assert len(set(colours)) == 8
        assert all(colours[one] != colours[other] for one, other in pairwise(stripes))


def test_a_tornado_of_several_parts(run: Run) -> None:
    """Of 12 µs, a cpu that is twice as fast leaves 6; one that is half as fast 16, b on pim."""
    asked = ("costs.json", "--scale", "pim=0.5..2", "--scale", "cpu=0.5..2")
    said = run(*asked).out
    assert said.splitlines()[-4:] == [
        "what each part weighs: 12.0 µs as things stand, and with it",
        "                faster          slower  1 % saves",
        f"  cpu     2x   6.00 µs  0.5x   16.0 µs     1.00 %  {'█' * 14}|{'█' * 10}",
        f"  pim     2x   10.0 µs  0.5x   12.0 µs     0.00 %  {' ' * 9}{'█' * 5}|",
    ]
    found = _json(run(*asked, "--json"))["tornado"]
    assert found["total"] == pytest.approx(12 * US)
    assert [(bar["part"], bar["slow"], bar["fast"]) for bar in found["bars"]] == [
        ("cpu", 0.5, 2.0),
        ("pim", 0.5, 2.0),
    ]


def test_there_is_no_tornado_of_one_part(run: Run) -> None:
    assert _json(run("costs.json", "--scale", "pim=0.5..2", "--json"))["tornado"] is None


def test_what_is_gained_beyond_a_range_is_not_known(run: Run) -> None:
    said = run("costs.json", "--scale", "pim=0.5..2", "--scale", "cpu=0.5..2").out
    assert "break-even: below 0.5 times its speed; something is gained throughout" in said
    assert "above 1 times its speed" in run("costs.json", "--scale", "pim=0.5..1").out


def test_a_curve_as_csv_is_what_its_lines_say(run: Run) -> None:
    run("costs.json", "--scale", "pim=0.5..8", "--csv", "curve.csv")
    with Path("curve.csv").open() as lines:
        rows = [*csv.DictReader(lines)]
    assert [float(row["speed"]) for row in rows] == pytest.approx([0.5, 4 / 3, 4 / 3, 4, 4, 8])
    for row in rows:
        total = float(row["fixed"]) + float(row["scaled"]) / float(row["speed"])
        assert float(row["total"]) == pytest.approx(total)
    assert float(rows[-1]["total"]) == pytest.approx(6 * US)


MAP = ("costs.json", "--scale", "pim=0.1..10", "--scale", "transfers=0.1..10", "--map")


def test_how_sure_an_answer_is() -> None:
    assert proved(5, 0.0) == "5 partitions, each proved optimal"
    assert proved(1, 0.015) == "1 partition, gaps of up to 1.50%"


def test_a_map_of_two_speeds(run: Run) -> None:
    """On cpu 12; with b on pim 2 + 4 / t + 8 / p, or 4 / t + 16 / p with both there: better than
    on cpu only where both are fast enough."""
    said = run(*MAP)
    assert said.code == 0, said.err
    first, *rows = said.out.splitlines()
    assert first.startswith("pim across, 0.1 to 10 times as fast; transfers up, 0.1 to 10: 3 reg")
    assert first.endswith("each proved optimal")
    drawn = [row.partition("|")[2] for row in rows[:16]]
    assert {len(row) for row in drawn} == {48}
    on_cpu, on_pim = drawn[-1][0], drawn[0][-1]
    assert len({*"".join(drawn)}) == 3
    assert set(drawn[-1]) == {on_cpu}  # transfers ten times as slow: 40 for nothing else
    assert {row[0] for row in drawn} == {on_cpu}
    assert f"  {on_cpu}  2 nodes on cpu" in rows
    assert f"  {on_pim}  2 nodes on pim" in rows


def test_a_map_for_programs(run: Run) -> None:
    found = _json(run(*MAP, "--json", "--csv", "map.csv"))["map"]
    assert [part["part"] for part in found["parts"]] == ["pim", "transfers"]
    assert found["certificate"] == {"exact": True, "gap": 0.0}
    with Path("map.csv").open() as lines:
        rows = [*csv.DictReader(lines)]
    assert len(rows) == sum(len(region["corners"]) for region in found["regions"])
    for row in rows:
        region = found["regions"][int(row["region"])]
        pim, transfers = float(row["speed of pim"]), float(row["speed of transfers"])
        total = region["fixed"] + region["scaled"][0] / pim + region["scaled"][1] / transfers
        assert float(row["total"]) == pytest.approx(total)


def test_a_map_is_of_two_speeds(run: Run) -> None:
    said = run("costs.json", "--scale", "pim=0.1..10", "--map")
    assert said.code == 2
    assert "a map is one of two speeds" in said.err


def test_a_catalogue_is_measured_once(run: Run) -> None:
    onnx.save(MODELS["symbolic dimensions"].proto(), "x.onnx")
    shapes = ("--shape", "ids=2x5", "--shape", "scale=2x3")
    options = (*shapes, "--device", "cpu.serial", "--set", "pim.hbm:channels=16,64", "--csv", "c")
    found = _json(run("x.onnx", *options, "--no-cache", "--json"))
    assert [each["device"] for each in found["choices"]] == [
        None,
        "pim.hbm:channels=16",
        "pim.hbm:channels=64",
    ]
    assert all(each["exact"] for each in found["choices"])
    assert Path("c").read_text().splitlines()[0] == ("device,price,front,total,lower_bound,nodes")
    said = run("x.onnx", *options, "--no-cache").out.splitlines()
    assert said[0].split() == ["device", "total", "gain", "nodes", "on", "it"]
    assert said[1].split()[0] == "without"
    assert "1.00x" in said[1]


def test_several_options_are_several_catalogues_of_one_profile(run: Run) -> None:
    """Of two, the last one used to be all that was answered."""
    onnx.save(MODELS["symbolic dimensions"].proto(), "x.onnx")
    shapes = ("--shape", "ids=2x5", "--shape", "scale=2x3")
    sets = ("--set", "pim.hbm:channels=16,64", "--set", "manycore.snitch16:clusters=4")
    options = (*shapes, "--device", "cpu.serial", *sets, "--no-cache", "--json")
    assert [each["device"] for each in _json(run("x.onnx", *options))["choices"]] == [
        None,
        "pim.hbm:channels=16",
        "pim.hbm:channels=64",
        "manycore.snitch16:clusters=4",
    ]


def test_a_many_core_chip_s_energy_is_what_a_core_cycle_takes(run: Run) -> None:
    """On so hot a processor, all that can is better off on the chip."""
    onnx.save(MODELS["symbolic dimensions"].proto(), "x.onnx")
    shapes = ("--shape", "ids=2x5", "--shape", "scale=2x3")
    hot = ("--device", "cpu.serial:watts_per_thread=100000", "--objective", "energy")
    swept = ("--set", "manycore.snitch16:precision=fp32,core_cycle_j=1e-11,2.1e-11")
    choices = _json(run("x.onnx", *shapes, *hot, *swept, "--no-cache", "--json"))["choices"]
    without, low, high = (each["total"] for each in choices)
    assert low < high < without


def test_a_catalogue_with_prices_says_what_something_is_as_good_as(run: Run) -> None:
    """Where all is pinned to the host, no device is worth its price."""
    onnx.save(MODELS["symbolic dimensions"].proto(), "x.onnx")
    shapes = ("--shape", "ids=2x5", "--shape", "scale=2x3")
    options = (*shapes, "--device", "cpu.serial", "--no-cache", "--pin", "*=cpu.serial")
    priced = ("--set", "pim.hbm:channels=16,64", "--price", "10,20")
    found = _json(run("x.onnx", *options, *priced, "--json"))
    assert [each["price"] for each in found["choices"]] == [0, 10, 20]
    assert [each["front"] for each in found["choices"]] == [True, False, False]
    said = run("x.onnx", *options, *priced).out.splitlines()
    assert said[0].split()[:2] == ["device", "price"]
    assert all("no more" in line for line in said[2:])


@pytest.mark.parametrize("price", ["10", "10,x", "10,-1", "10,nan", "10,inf"])
def test_prices_that_are_none(run: Run, price: str) -> None:
    said = run("x.onnx", "--set", "pim.hbm:channels=16,64", "--price", price)
    assert said.code == 2
    assert "no price for each of 2 devices" in said.err


def test_a_price_without_a_catalogue(run: Run) -> None:
    said = run("costs.json", "--scale", "transfers=0.5..2", "--price", "10")
    assert said.code == 2
    assert "prices are those of --set" in said.err


ENTRIES = {
    "a value each": ("pim.hbm:channels=16,32", ["channels-16=pim.hbm:channels=16"]),
    "options before": (
        "pim.hbm:refresh=off,channels=1,2",
        ["channels-1=pim.hbm:refresh=off,channels=1"],
    ),
    "files": ("pim:preset=a/x.toml,b.toml", ["preset-a-x.toml=pim:preset=a/x.toml"]),
    "files of long names": (
        f"pim:preset={'a' * 60}.toml,b.toml",
        [f"preset-0=pim:preset={'a' * 60}.toml"],
    ),
    "files of like names": ("pim:preset=a/x.toml,a-x.toml", ["preset-0=pim:preset=a/x.toml"]),
}


@pytest.mark.parametrize(("text", "first"), ENTRIES.values(), ids=ENTRIES.keys())
def test_entries_of_a_catalogue(text: str, first: list[str]) -> None:
    assert read_entries(text)[:1] == first
    assert len(read_entries(text)) == 2


BAD = {
    "no question": ((), "asks for nothing"),
    "two questions": (("--scale", "pim=1..2", "--set", "pim:n=1"), "are different questions"),
    "a part that is not there": (("--scale", "gpu=1..2"), "there is no device and no route 'gpu'"),
    "a range that is none": (("--scale", "pim=1"), "'pim=1' is not PART=LOW..HIGH"),
    "a range of words": (("--scale", "pim=slow..fast"), "is not PART=LOW..HIGH"),
    "a range that ends before it begins": (("--scale", "pim=2..1"), "is no range of speeds"),
    "a catalogue of a table": (("--set", "pim:n=1"), "a cost table holds no device"),
    "a catalogue without values": (("--set", "pim.hbm:channels"), "is not DEVICE:KEY=A,B"),
    "a device twice": (
        ("--set", "pim.hbm:channels=16", "--set", "pim.hbm:channels=16,32"),
        "two devices would be called channels-16",
    ),
    "throughput": (
        ("--scale", "pim=1..2", "--objective", "throughput"),
        "a sweep does not know the optimum of a stream",
    ),
    "throughput of a catalogue": (
        ("--set", "pim.hbm:channels=16,32", "--objective", "throughput"),
        "a sweep does not know the optimum of a stream",
    ),
    "a device beside a table": (
        ("--scale", "pim=1..2", "--device", "cpu.serial"),
        "a cost table holds no device",
    ),
    "a shape beside a table": (("--scale", "pim=1..2", "--shape", "x=1"), "a cost table holds no"),
    "energy alone": (("--scale", "pim=1..2", "--objective", "energy"), "speed changes nothing"),
}


@pytest.mark.parametrize(("options", "problem"), BAD.values(), ids=BAD.keys())
def test_what_makes_no_sense_is_said(run: Run, options: tuple[str, ...], problem: str) -> None:
    said = run("costs.json", *options)
    assert said.code == 2
    assert problem in said.err
    assert "fix: " in said.err


def _plan(path: Path) -> None:
    """Of two shapes, with the costs of no engine."""
    compile_model(
        small_plans.model(),
        devices=["cpu.serial", "pim.hbm"],
        shapes=[{"x": (2, 24)}, {"x": (64, 24)}],
        costs=scattered(3),
    ).save(path)


def test_a_plan_is_taken_with_the_costs_that_it_holds(run: Run) -> None:
    _plan(Path("two.plan"))
    variants = Plan.load("two.plan").variants
    for shape, variant in zip(([], ["--shape", "x=64x24"]), variants, strict=True):
        Path("held.json").write_text(variant.costs)
        asked = ("--scale", "pim.hbm=0.5..100", "--json")
        found = _json(run("two.plan", *shape, *asked))
        assert (found["costs"], found["curves"]) == (
            "two.plan",
            _json(run("held.json", *asked))["curves"],
        )
    said = run("two.plan", "--shape", "x=3x24", "--scale", "pim.hbm=1..2")
    assert (said.code, "was not profiled with" in said.err) == (1, True)
    said = run("two.plan", "--set", "pim.hbm:channels=16,32")
    assert (said.code, "name the model" in said.err) == (2, True)


def test_of_a_decoders_plan_it_is_the_step_and_the_entry_is_named(run: Run) -> None:
    plan = decoder_plan(tiny_decoder(), ("cpu.serial", "pim.hbm"))
    plan.save("dec.plan")
    asked = ("--scale", "cpu.serial=0.1..10", "--json")
    for shape, entry in (([], "decode"), (["--shape", "input_ids=1x5"], "prefill")):
        [variant] = plan.entry_named(entry).variants
        Path("held.json").write_text(variant.costs)
        said = run("dec.plan", *shape, *asked)
        assert f"dec.plan: the costs are those of its entry {entry}, at input_ids 1x" in said.err
        assert _json(said)["curves"] == _json(run("held.json", *asked))["curves"]


def test_nothing_is_written_over_what_is_read(run: Run) -> None:
    assert run("costs.json", "--scale", "pim=1..2", "--csv", "costs.json").code != 0
    assert Path("costs.json").read_text() == write_costs(TABLE)


DRAWN = {
    "a curve": ("costs.json", "--scale", "pim=0.5..8"),
    "one speed": ("costs.json", "--scale", "pim=1..1"),
    "a map": ("costs.json", "--scale", "pim=0.5..8", "--scale", "transfers=0.5..8", "--map"),
}


def _note(complaints: list[str], message: "ConsoleMessage") -> None:
    complaints.append(message.text)


@pytest.mark.parametrize("asked", DRAWN.values(), ids=DRAWN.keys())
def test_what_is_found_is_drawn(run: Run, asked: tuple[str, ...]) -> None:
    pytest.importorskip("matplotlib", reason="drawings come with the plots extra")
    pages = []
    for _ in range(2):
        said = run(*asked, "--png", "found.png", "--html", "found.html")
        assert said.code == 0, said.err
        pages.append((Path("found.png").read_bytes(), Path("found.html").read_bytes()))
    assert pages[0] == pages[1]
    assert pages[0][0].startswith(b"\x89PNG")
    assert pages[0][1].count(b"<svg") == 2
    with chromium() as browser:
        for width in (1400, 390):
            view = browser.new_page(viewport={"width": width, "height": 800})
            complaints: list[str] = []
            view.on("console", partial(_note, complaints))
            view.goto(Path("found.html").absolute().as_uri())
            assert view.evaluate("document.documentElement.scrollWidth") == width
            assert complaints == []
            view.close()


@pytest.mark.parametrize("inches", [3.4, 9.0])
def test_numbers_of_a_tornado_lie_beside_each_other(inches: float) -> None:
    pytest.importorskip("matplotlib", reason="drawings come with the plots extra")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    curves = [Sweep(Scale(part), 0.5, 2)(TABLE) for part in ("cpu", "pim")]
    figure = curves_drawing(curves, tornado(curves))(inches)
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    labels = [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) > 1
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


def test_a_page_tells_what_is_drawn(run: Run) -> None:
    pytest.importorskip("matplotlib", reason="drawings come with the plots extra")
    run("costs.json", "--scale", "pim=0.5..8", "--html", "found.html")
    page = Path("found.html").read_text()
    assert "pim: break-even: worth nothing up to 1.333 times its speed" in page
    assert "cpu → pim: b</td>" in page
    assert "5 partitions, each proved optimal" in page


@pytest.mark.parametrize("prices", [(), ("--price", "10,18")])
def test_a_catalogue_is_drawn(run: Run, prices: tuple[str, ...]) -> None:
    pytest.importorskip("matplotlib", reason="drawings come with the plots extra")
    onnx.save(MODELS["chain"].proto(), "m.onnx")
    asked = ("m.onnx", "--set", "pim.hbm:channels=16,64", "--device", "cpu.serial", "--no-cache")
    said = run(*asked, *prices, "--effort", "quick", "--html", "found.html")
    assert said.code == 0, said.err
    page = Path("found.html").read_text()
    assert "pim.hbm:channels=64</td>" in page
    assert ("Nothing is better for no more" in page) == bool(prices)


def test_without_matplotlib(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = run("costs.json", "--scale", "pim=0.5..8", "--png", "found.png")
    assert said.code == 2
    assert "--png: is drawn by Matplotlib, which is not installed" in said.err
    assert run("costs.json", "--scale", "pim=0.5..8", "--csv", "found.csv").code == 0
