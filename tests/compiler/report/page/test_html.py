"""The page: well-formed, self-contained, harmless, within bounds, and the same every time."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from stagecut.compiler.ir.checks import Checks, OutputDifference
from stagecut.compiler.ir.provenance import Circumstances
from stagecut.compiler.report.page.html import _parts, to_html
from tests.support.planned import Sample, gate_report_of, report_of, with_known
from tests.support.planned_variants import (
    configured,
    cpu_only,
    empty,
    hostile,
    large,
    mixed,
    never_run,
    one_node,
    overruled,
)

VOID = {"meta", "input", "br", "wbr"}
SVG = {"rect", "line", "circle", "path"}
SAMPLES = {
    "a mixed plan": mixed(),
    "a plan on the CPU alone": cpu_only(),
    "a plan of one node": one_node(),
    "a plan of no node": empty(),
    "a plan with hostile names": hostile(),
    "a plan of 2,000 nodes": large(),
}
every_page = pytest.mark.parametrize("name", SAMPLES)


class Page(HTMLParser):
    """All elements with their attributes, and all text outside of scripts and style sheets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inline: list[tuple[str, str]] = []
        self.data = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SVG, f"<{tag}/> does not close itself in HTML"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"] and self.elements[-1][1].get("type") == "application/json":
            self.data += data
        elif self.open[-1:] in (["script"], ["style"]):
            self.inline.append((self.open[-1], data))
        else:
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def written(sample: Sample) -> str:
    return to_html(report_of(sample))


@cache
def page_of(name: str) -> Page:
    return Page(written(SAMPLES[name]))


@every_page
def test_every_element_is_closed(name: str) -> None:
    assert page_of(name).open == []


@every_page
def test_nothing_is_fetched(name: str) -> None:
    page = page_of(name)
    assert not page.all("link") + page.all("img") + page.all("iframe") + page.all("object")
    for tag, attributes in page.elements:
        assert not {"src", "srcset", "xlink:href", "action", "style"} & set(attributes), tag
        assert (attributes.get("href") or "#").startswith("#")
    (style,) = (content for kind, content in page.inline if kind == "style")
    assert set(re.findall(r"url\((.*?)\)", style)) == {"#hatch"}
    assert "@import" not in style


@every_page
def test_the_policy_admits_these_styles_and_scripts_alone(name: str) -> None:
    page = page_of(name)
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta) or ""
    for kind in ("style", "script"):
        contents = [content.encode() for found, content in page.inline if found == kind]
        digests = [base64.b64encode(hashlib.sha256(each).digest()).decode() for each in contents]
        allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
        assert f"{kind}-src {allowed};" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_hostile_names_are_text() -> None:
    page = page_of("a plan with hostile names")
    plain = page_of("a mixed plan")
    kinds = {tag for tag, _ in plain.elements}
    assert {tag for tag, _ in page.elements} - {"wbr"} == kinds
    assert len(page.all("script")) == len(plain.all("script"))
    assert "<script>alert(1)</script>" in "".join(page.texts)
    assert page.inline == plain.inline
    assert json.loads(page.data)["nodes"][6][1] == "<script…rt(1)</script>"
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_templates_in_names_are_not_run() -> None:
    assert "{{ 7 * 7 }}" in written(hostile())


def test_long_names_break_where_their_parts_end() -> None:
    assert _parts("encoder/layer.11/node_MatMul") == (
        "encoder/<wbr>layer.<wbr>11/<wbr>node_<wbr>MatMul"
    )
    assert _parts("cpu.parallel") == "cpu.parallel"
    assert _parts("<b>_a_rather_long_name") == "&lt;b&gt;_<wbr>a_<wbr>rather_<wbr>long_<wbr>name"


def test_long_names_are_shortened() -> None:
    page = page_of("a plan with hostile names")
    names = [value or "" for _, attributes in page.elements for value in attributes.values()]
    assert max(len(text) for text in (*page.texts, *names)) < 400


SIZES = {"2,000 nodes": (2000, 2 * 2**20), "300 nodes": (300, 2**19)}


@pytest.mark.parametrize(("nodes", "most_bytes"), SIZES.values(), ids=SIZES.keys())
def test_the_page_stays_small(nodes: int, most_bytes: int) -> None:
    assert len(written(large(nodes)).encode()) < most_bytes


@every_page
def test_the_same_plan_gives_the_same_bytes(name: str) -> None:
    assert written(SAMPLES[name]) == written(SAMPLES[name])


@every_page
def test_it_can_be_read_by_ear(name: str) -> None:
    """Captions, scopes and labels for screen readers; one heading of the first rank."""
    page = page_of(name)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in heading for heading in page.all("th"))
    assert all("aria-label" in svg or "aria-hidden" in svg for svg in page.all("svg"))
    assert all("aria-labelledby" in section for section in page.all("section"))
    assert len(page.all("h1")) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all((link["href"] or "")[1:] in ids for link in page.all("a"))


def test_modelled_times_and_marks_are_told_apart() -> None:
    page = page_of("a mixed plan")
    assert "150 µs~" in page.texts
    hatched = [rect for rect in page.all("rect") if rect["class"] == "hatch"]
    modelled = [rect for rect in page.all("rect") if "modelled" in (rect["class"] or "")]
    assert len(hatched) > 0
    assert len(modelled) >= len(hatched)


def test_a_plan_of_measured_parts_shows_no_mark() -> None:
    page = page_of("a plan on the CPU alone")
    assert not any("~" in text for text in page.texts)
    assert not any("modelled" in (rect["class"] or "") for rect in page.all("rect"))


SENTENCES = {
    "an optimal plan": (mixed(), "By the costs, optimal: no other schedule costs less."),
    "a plan in one memory": (cpu_only(), "There are no transfers: the plan stays in one memory."),
    "a plan of no node": (empty(), "The plan has no stages."),
    "a plan without contenders": (empty(), "The plan was compared with no other."),
}


@pytest.mark.parametrize(("sample", "sentence"), SENTENCES.values(), ids=SENTENCES.keys())
def test_it_says_so_in_words(sample: Sample, sentence: str) -> None:
    assert sentence in " ".join(written(sample).split())


def leads(sample: Sample) -> list[str]:
    """What stands right below the page's title, without its marks."""
    page = to_html(gate_report_of(sample))
    return [re.sub(r"<.*?>", "", lead) for lead in re.findall(r'<p class="lead">(.*?)</p>', page)]


def test_the_observed_figure_leads_and_stands_out() -> None:
    page = to_html(gate_report_of(mixed()))
    assert '<p class="lead"><strong>1.11 ms~</strong> observed (95 % within' in page
    assert leads(mixed())[0].endswith(", 1.10 ms~ predicted (off by +1.0 %).")
    assert '<p class="lead"><strong>1.10 ms~</strong> predicted, never run.' in to_html(
        gate_report_of(never_run())
    )


def test_a_plan_that_is_not_the_optimum_says_so_first() -> None:
    first, second = leads(overruled())
    assert first == (
        "1.76 ms observed (95 % within 1.74 .. 1.79 ms), 1.72 ms predicted (off by +2.0 %); "
        "cpu.parallel alone ships, not the optimum of the costs."
    )
    assert second.startswith(
        "Everything on cpu.parallel; 1.77 × as fast as cpu.serial alone (3.10 ms observed). "
        "The optimum of the costs: 1.10 ms~ predicted, 2.00 ms~ observed"
    )


@pytest.mark.parametrize("sample", [mixed(), cpu_only(), overruled(), one_node()])
def test_a_device_alone_has_one_time_on_the_page(sample: Sample) -> None:
    """On its card, as the rival, and among the contenders."""
    page = to_html(gate_report_of(sample))
    cards = re.findall(r"The whole model on it alone: (.*?), (observed|predicted)\.", page)
    rivals = re.findall(r"cpu\.\w+ alone: (.*?), observed</small>", page)
    rows = re.findall(
        r'<th scope="row">(cpu\.\w+)(?: <small>.*?)?</th>.*?>([^<>]* [mµ]s)</td>', page
    )
    assert {source for _, source in cards} == {"observed"}
    assert {time for time, _ in cards} == {time for _, time in rows}
    assert set(rivals) <= {time for time, _ in cards}


def test_contenders_say_why_and_how_sure() -> None:
    page = page_of("a plan on the CPU alone")
    assert {"1.71 .. 1.77 ms", "the best"} <= set(page.texts)


def test_processor_time_is_shown_where_it_was_measured() -> None:
    assert written(configured()).count('<td class="number">1.76 ms</td>') == 1
    assert "CPU time" in written(configured())
    assert "CPU time" not in written(overruled())


def test_energy_is_shown_where_it_is_known() -> None:
    sample = mixed()
    steps = tuple(replace(cost, energy_j=0.5e-3) for cost in sample.planned.account.steps)
    known = with_known(sample, steps=steps, energy_j=3.5e-3)
    assert "3.50 mJ~" in written(known)
    assert written(known).count("500 µJ~</td>") == 5
    assert "Energy" not in written(sample)


def test_accuracy_is_shown_where_it_was_compared() -> None:
    sample = mixed()
    differences = (
        OutputDifference("head", max_abs=2e-3, relative=5e-4, cosine=0.99999),
        OutputDifference("pooled", max_abs=0.0, relative=0.0, cosine=None),
    )
    compared = with_known(sample, accuracy=differences)
    page = Page(written(compared))
    assert "head is off by 0.05 % of its largest number at the most" in page.texts
    assert {"0.002", "0.05 %", "0.99999000"} <= set(page.texts)
    assert "Accuracy" not in written(sample)


def test_what_was_worked_around_is_told() -> None:
    sample = mixed()
    fallback = overruled().planned.run
    failed = with_known(sample, workarounds=("x cannot do y",), fallback=fallback)
    texts = Page(written(failed)).texts
    assert {"x cannot do y", "runs in 1 stage on ONNX Runtime alone"} <= set(texts)


def test_what_was_checked_and_when_it_was_measured_is_told() -> None:
    known = with_known(
        mixed(),
        accuracy=(OutputDifference("head", max_abs=2e-3, relative=5e-4, cosine=0.99999),),
        checks=Checks(("the sample inputs", "zeros"), 1e-3),
        circumstances=(Circumstances("gate", 0.0, "bimodal"),),
    )
    texts = Page(written(known)).texts
    assert "Right on the sample inputs and zeros: off by 0.1 % at the worst." in texts
    assert "gate measured 1970-01-01 00:00 UTC, in a noisy moment: bimodal" in texts
    summary = texts[: texts.index("Where the predicted time goes")]
    assert "Gate measured 1970-01-01 00:00 UTC, in a noisy moment: bimodal." in summary


def test_the_layout_library_is_the_one_that_the_notices_speak_of() -> None:
    vendor = files("stagecut.compiler.report.page") / "vendor"
    digest = hashlib.sha256((vendor / "d3-dag.iife.min.js").read_bytes()).hexdigest()
    assert digest in (vendor / "NOTICES.md").read_text("utf-8")


def test_a_reason_is_written_once_and_referred_to_by_number() -> None:
    text = written(mixed())
    assert text.count("<li>MatMul needs a weight operand here</li>") == 1
    assert text.count("no<sup>1</sup>") == 4
    assert text.count("no<sup>2</sup>") == 1
