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

from stagecut.compiler.ir.plan import OutputError
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.page.html import to_html
from tests.support.manifests import cpu_only, empty, hostile, large, mixed, one_node
from tests.support.planned import Sample

VOID = {"meta", "input", "br"}
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
    return to_html(build_report(sample.manifest, sample.table, sample.trace))


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
    assert {tag for tag, _ in page.elements} == kinds
    assert len(page.all("script")) == len(plain.all("script"))
    assert "<script>alert(1)</script>" in page.texts
    assert page.inline == plain.inline
    assert json.loads(page.data)["nodes"][6][1] == "<script…rt(1)</script>"
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_templates_in_names_are_not_run() -> None:
    assert "{{ 7 * 7 }}" in written(hostile())


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
    "an optimal plan": (mixed(), "proven optimal: no other assignment costs less."),
    "a plan in one memory": (cpu_only(), "Nothing is copied: the plan stays in one memory."),
    "a plan of no node": (empty(), "The plan has no stages."),
    "a plan without contenders": (empty(), "The plan was compared with no other."),
}


@pytest.mark.parametrize(("sample", "sentence"), SENTENCES.values(), ids=SENTENCES.keys())
def test_it_says_so_in_words(sample: Sample, sentence: str) -> None:
    assert sentence in " ".join(written(sample).split())


def test_contenders_say_why_and_how_sure() -> None:
    page = page_of("a plan on the CPU alone")
    assert {"1.71 ms .. 1.77 ms", "the best"} <= set(page.texts)


def test_energy_is_shown_where_it_is_known() -> None:
    sample = mixed()
    stages = tuple(replace(stage, energy_j=0.5e-3) for stage in sample.manifest.stages)
    known = replace(sample, manifest=replace(sample.manifest, stages=stages, predicted_j=2.5e-3))
    assert "2.50 mJ~" in written(known)
    assert written(known).count("500 µJ~</td>") == 5
    assert "Energy" not in written(sample)


def test_accuracy_is_shown_where_it_was_compared() -> None:
    sample = mixed()
    errors = (
        OutputError("head", max_abs=2e-3, relative=5e-4, cosine=0.99999),
        OutputError("pooled", max_abs=0.0, relative=0.0, cosine=None),
    )
    compared = replace(sample, manifest=replace(sample.manifest, accuracy=errors))
    page = Page(written(compared))
    assert "head is off by 0.05 % of its largest number at the most" in page.texts
    assert {"0.002", "0.05 %", "0.99999000"} <= set(page.texts)
    assert "Accuracy" not in written(sample)


def test_what_was_worked_around_is_told() -> None:
    sample = mixed()
    manifest = sample.manifest
    failed = replace(manifest, workarounds=("x cannot do y",), fallback=manifest.stages[:1])
    texts = Page(written(replace(sample, manifest=failed))).texts
    assert {"x cannot do y", "runs in 1 stage on ONNX Runtime alone"} <= set(texts)


def test_the_layout_library_is_the_one_that_the_notices_speak_of() -> None:
    vendor = files("stagecut.compiler.report") / "vendor"
    digest = hashlib.sha256((vendor / "d3-dag.iife.min.js").read_bytes()).hexdigest()
    assert digest in (vendor / "NOTICES.md").read_text("utf-8")


def test_a_reason_is_written_once_and_referred_to_by_number() -> None:
    text = written(mixed())
    assert text.count("<li>MatMul needs a weight operand here</li>") == 1
    assert text.count("no<sup>1</sup>") == 4
    assert text.count("no<sup>2</sup>") == 1
