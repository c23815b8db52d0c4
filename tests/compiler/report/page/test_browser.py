"""The page in a real browser: what a reader does with it, and what it must not do."""

import pytest

from tests.support.visits import Open


def test_hostile_names_stay_harmless_whatever_is_clicked(visit: Open) -> None:
    seen = visit("hostile")
    for node in seen.page.locator("[data-node]").all():
        node.dispatch_event("click")
    seen.page.fill("#graph-search", "alert(1)")
    seen.page.press("#graph-search", "Enter")
    assert "<script>alert(1)</script>" in seen.page.inner_text("#graph-panel")
    assert seen.page.locator("#graph-panel script, main img").count() == 0
    assert seen.complaints == []


def test_the_policy_stops_what_the_page_did_not_bring(visit: Open) -> None:
    page = visit().page
    violated = page.evaluate(
        """() => new Promise((resolve) => {
            addEventListener("securitypolicyviolation", (e) => resolve(e.effectiveDirective));
            document.body.append(Object.assign(new Image(), { src: "http://192.0.2.1/a.png" }));
        })"""
    )
    assert violated == "img-src"


def test_searching_finds_a_node_and_says_what_it_costs(visit: Open) -> None:
    page = visit().page
    page.fill("#graph-search", "matmul")
    assert page.inner_text("#graph-found") == "5 found"
    page.fill("#graph-search", "head")
    page.press("#graph-search", "Enter")
    panel = page.inner_text("#graph-panel")
    assert "3.00 µs" in panel
    assert "+4.00 µs" in panel
    assert "MatMul needs a weight operand here" in panel  # written out, not a number
    assert page.locator(".node.selected text").first.text_content() == "head"


def test_enter_goes_from_match_to_match(visit: Open) -> None:
    page = visit().page
    page.fill("#graph-search", "matmul")
    names = []
    for _ in range(6):
        page.press("#graph-search", "Enter")
        names.append(page.locator(".node.selected text").first.text_content())
    assert names == ["qkv", "project", "up", "down", "head", "qkv"]


def test_clicking_a_node_lights_its_edges(visit: Open) -> None:
    page = visit().page
    page.locator("[data-node='4']").click()
    assert "add1" in page.inner_text("#graph-panel")
    assert page.locator(".edge.lit").count() == 3  # two in, one out
    page.keyboard.press("Escape")
    assert page.locator(".edge.lit").count() == 0


def test_stages_close_and_open(visit: Open) -> None:
    page = visit().page
    assert page.locator("[data-node]").count() == 12
    page.locator(".title[data-stage='1']").click()
    assert page.locator("[data-node]").count() == 7
    page.locator(".stage.closed[data-stage='1']").click()
    assert page.locator("[data-node]").count() == 12
    page.click("#graph-close")
    assert page.locator("[data-node]").count() == 0
    page.click("#graph-open")
    assert page.locator("[data-node]").count() == 12


def test_transfers_are_drawn_dashed_with_what_they_cost(visit: Open) -> None:
    page = visit().page
    assert page.locator(".edge path.transfer").count() == 2
    assert "64.0 KiB, 30.1 µs~" in page.locator(".edges > text").all_text_contents()


def test_transfers_for_one_stage_are_told_one_below_the_other(visit: Open) -> None:
    labels = visit("two transfers for one stage").page.locator(".edges > text").all()
    boxes = sorted(filter(None, (label.bounding_box() for label in labels)), key=lambda b: b["y"])
    assert len(boxes) == 3
    assert boxes[0]["x"] == pytest.approx(boxes[1]["x"], abs=1)
    assert boxes[1]["y"] - boxes[0]["y"] > 10


def test_the_graph_can_be_walked_with_the_keyboard(visit: Open) -> None:
    page = visit().page
    page.focus(".view")
    names = []
    for key in ("Enter", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
        names.append(page.locator(".node.selected text").first.text_content())
    assert names == ["embed", "qkv", "attention", "qkv", "attention", "qkv"]


def test_zoom_changes_the_size_and_fit_shows_it_all(visit: Open) -> None:
    page = visit().page
    width = "document.getElementById('graph-drawing').clientWidth"
    before = page.evaluate(width)
    page.click("#graph-in")
    assert page.evaluate(width) == pytest.approx(1.25 * before, abs=1)
    page.click("#graph-fit")
    assert page.evaluate(
        "document.querySelector('.view').scrollHeight"
        " <= document.querySelector('.view').clientHeight"
    )


def test_fit_fills_the_width_where_all_would_be_too_small_to_read(visit: Open) -> None:
    page = visit("large").page
    page.click("#graph-fold")  # every layer, all stages closed
    page.click("#graph-fit")
    sizes = "(v => [v.scrollWidth <= v.clientWidth + 1, v.scrollHeight > v.clientHeight])"
    across, downwards = page.evaluate(f"{sizes}(document.querySelector('.view'))")
    assert across
    assert downwards
    assert page.locator("#graph-drawing.small").count() == 0


def test_tables_sort_by_number(visit: Open) -> None:
    page = visit().page
    heading = page.locator("#node-table thead th", has_text="cpu.serial")
    names = page.locator("#node-table tbody th")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert names.all_text_contents()[:3] == ["head", "add1", "add2"]
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert names.all_text_contents()[:2] == ["down", "up"]


def test_sorting_a_table_does_not_confuse_the_graph(visit: Open) -> None:
    page = visit().page
    page.locator("#node-table thead button").first.click()
    page.locator("[data-node='0']").click()
    assert "embed" in page.inner_text("#graph-panel")


def test_tables_filter(visit: Open) -> None:
    page = visit().page
    page.get_by_label("Filter: What each node takes").fill("matmul pim")
    rows = page.locator("#node-table tbody tr:visible th")
    assert rows.all_text_contents() == ["up", "down"]


def test_tables_are_copied_as_csv_with_plain_numbers(visit: Open) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"]).page
    page.locator("#stages").get_by_text("Copy as CSV").click()
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines[0].startswith("Stage,Device,Nodes,Observed,As built,Predicted")
    assert lines[3].split(",")[:3] == ["2", "pim.hbm", "3"]
    assert float(lines[3].split(",")[5]) == pytest.approx(332e-6)


SCHEMES = {"light": "rgb(247, 248, 249)", "dark": "rgb(18, 21, 23)"}


@pytest.mark.parametrize(("scheme", "colour"), SCHEMES.items(), ids=SCHEMES.keys())
def test_light_and_dark(visit: Open, scheme: str, colour: str) -> None:
    page = visit(color_scheme=scheme).page
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour


def test_the_answer_comes_first(visit: Open) -> None:
    sections = visit().page.locator("section").evaluate_all("all => all.map(each => each.id)")
    assert sections[:4] == ["summary", "contenders", "timeline", "change"]
    links = visit().page.locator("nav a").evaluate_all("all => all.map(each => each.hash)")
    assert links == [f"#{name}" for name in sections]


#: What is read as text, and what it stands on, as WCAG 2 asks: 4.5 for text of usual size.
CONTRAST = """
() => {
  const light = ([r, g, b]) => {
    const part = (c) => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const ratios = [];
  const texts = "p, dt, dd, small, th, td, a, li, h1, h2, h3, button";
  for (const element of document.querySelectorAll(texts)) {
    if (!element.innerText || !element.getClientRects().length) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    ratios.push((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return Math.min(...ratios);
}
"""


def test_long_names_stay_in_their_tiles(visit: Open) -> None:
    page = visit().page
    fits = """(text) => {
        text.textContent = "over cpu.parallel (waiting=spin,pinning=on) alone";
        return text.scrollWidth <= text.clientWidth;
    }"""
    texts = page.locator(".tiles small").all()
    assert len(texts) > 5
    page.set_viewport_size({"width": 1100, "height": 800})
    assert all(text.evaluate(fits) for text in texts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(visit: Open, scheme: str) -> None:
    assert visit(color_scheme=scheme).page.evaluate(CONTRAST) >= 4.5


#: Which of all elements some are, in the page's order.
PLACES = "some => some.map(each => [...document.querySelectorAll('*')].indexOf(each))"


def test_every_control_is_reached_with_the_tab_key(visit: Open) -> None:
    page = visit().page
    controls = page.locator("nav a, .tools button, .tools input, thead button").locator(
        "visible=true"
    )
    reached: set[int] = set()
    for _ in range(2 * controls.count()):
        page.keyboard.press("Tab")
        reached |= set(page.locator(":focus").evaluate_all(PLACES))
    assert set(controls.evaluate_all(PLACES)) <= reached


def test_paper_shows_all_rows_and_no_controls(visit: Open) -> None:
    page = visit("large").page
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.locator(".tools").first.is_hidden()
    scroll = page.locator("#node-table").locator("xpath=ancestor::div[@class='scroll']")
    assert scroll.evaluate("box => box.scrollHeight <= box.clientHeight + 1")


def test_paper_is_white_even_from_a_dark_screen(visit: Open) -> None:
    page = visit(color_scheme="dark").page
    page.emulate_media(media="print")
    style = "getComputedStyle(document.body)"
    assert page.evaluate(f"{style}.backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(f"{style}.color") == "rgb(25, 29, 33)"


def test_paper_shows_the_whole_graph_and_is_not_cut_off(visit: Open) -> None:
    page = visit("large", viewport={"width": 794, "height": 1123}).page  # A4
    page.emulate_media(media="print")
    height = page.locator("#graph-drawing").evaluate("drawing => drawing.clientHeight")
    assert 0 < height < 1123
    assert page.evaluate("document.documentElement.scrollWidth") <= 794


def test_without_javascript_the_tables_are_there(visit: Open) -> None:
    page = visit(java_script_enabled=False).page
    assert page.locator("#node-table tbody tr").count() == 12
    assert "needs JavaScript" in page.content()


def test_layers_that_repeat_are_drawn_once_with_their_count(visit: Open) -> None:
    seen = visit("large")
    page = seen.page
    assert page.locator("[data-node]").count() == 20  # a layer of 12, and what is left of 800
    assert page.locator(".node.several").count() == 12
    assert "×66" in page.locator("[data-node='1'] text").all_text_contents()[1]
    page.click("#graph-close")
    titles = page.locator(".stage.several text").all_text_contents()
    assert any("×66" in title for title in titles)
    assert seen.complaints == []


def test_a_large_plan_with_every_layer_starts_closed_and_opens_whole(visit: Open) -> None:
    seen = visit("large")
    seen.page.click("#graph-fold")
    assert seen.page.locator("[data-node]").count() == 0
    assert seen.page.locator(".stage.closed").count() == 267
    assert seen.page.locator(".several").count() == 0
    seen.page.click("#graph-open")
    assert seen.page.locator("[data-node]").count() == 800
    seen.page.click("#graph-fold")
    assert seen.page.locator("[data-node]").count() == 20
    assert seen.complaints == []


def test_a_node_of_a_layer_that_is_not_drawn_is_found(visit: Open) -> None:
    page = visit("large").page
    page.fill("#graph-search", "layer.50/up")
    page.press("#graph-search", "Enter")
    assert "/layer.50/up" in page.inner_text("#graph-panel")
    assert page.locator(".node.selected").count() == 1
    assert page.inner_text("#graph-fold") == "Draw layers once"


def test_where_nothing_repeats_there_is_nothing_to_fold(visit: Open) -> None:
    assert visit().page.locator("#graph-fold").is_hidden()


#: The texts that are wider than the box in which they stand.
WIDER = """all => {
    const width = (element) => element.getBBox().width;
    const wider = (text) => width(text) > width(text.parentElement.querySelector("rect"));
    return all.filter(wider).map((text) => text.textContent);
}"""


@pytest.mark.parametrize("width", [1400, 390])
def test_the_graph_is_no_wider_than_its_view_and_can_be_read(visit: Open, width: int) -> None:
    page = visit("large", viewport={"width": width, "height": 900}).page
    assert page.evaluate("(v => v.scrollWidth <= v.clientWidth)(document.querySelector('.view'))")
    assert page.locator("#graph-drawing.small").count() == 0
    assert page.locator(".node text, .title text").evaluate_all(WIDER) == []
    page.click("#graph-close")
    assert page.locator(".stage text").evaluate_all(WIDER) == []
    assert all("in all" in text for text in page.locator(".several .soft").all_text_contents())


#: Words of the tables' names that stand on more than one line.
_BROKEN = """
[...document.querySelectorAll("tbody th, td.text")].flatMap((cell) => {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const broken = [];
  while (walker.nextNode()) {
    for (const {0: word, index} of walker.currentNode.data.matchAll(/[^_/.:+\\s]+/g)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, index);
      range.setEnd(walker.currentNode, index + word.length);
      if (range.getClientRects().length > 1) broken.push(word);
    }
  }
  return broken;
})
"""


@pytest.mark.parametrize("name", ["mixed", "large"])
def test_no_name_breaks_within_a_word_on_a_telephone(visit: Open, name: str) -> None:
    page = visit(name, viewport={"width": 390, "height": 844}).page
    assert page.evaluate(_BROKEN) == []


def test_what_would_be_one_long_strip_stands_in_columns(visit: Open) -> None:
    page = visit("large").page
    page.click("#graph-fold")
    middles = "all => [...new Set(all.map(b => Math.round(b.transform.baseVal[0].matrix.e)))]"
    places = page.locator(".stage.closed").evaluate_all(middles)
    assert max(places) - min(places) > 250
    page.set_viewport_size({"width": 390, "height": 900})
    page.click("#graph-close")
    assert len(page.locator(".stage.closed").evaluate_all(middles)) == 1
