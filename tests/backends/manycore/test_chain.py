"""Rows that stay from kernel to kernel: the closed form against events, room and bytes."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.backends.manycore import chain
from stagecut.backends.manycore.chain import kept
from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.costs import cost, costs
from stagecut.backends.manycore.pipeline import NOTHING, Fetch, Step, Tile
from stagecut.backends.manycore.product import Product, fetch, multiplying, stored
from stagecut.backends.manycore.rowwise import KERNELS
from stagecut.backends.manycore.work import Chain, Link, Rows
from tests.support.manycore import chip
from tests.support.manycore_replay import Cluster

SIZES = st.integers(1, 80)


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """A norm, a product, and a sum or a norm, or two products of a norm; others read some."""
    rows, inner, columns = (draw(SIZES) for _ in range(3))
    norm, multiplied = Rows("layernorm", rows, inner), Product(rows, columns, inner)
    after = Rows(draw(st.sampled_from(["add", "layernorm"])), rows, columns)
    other = Product(rows, draw(SIZES), inner)
    all_links: list[tuple[tuple[Link, ...], tuple[int, ...]]] = [
        ((norm, multiplied), ()),
        ((multiplied, after), ()),
        ((norm, multiplied, after), ()),
        ((norm, multiplied, other), (-1, 0, 0)),
        ((multiplied, other), (-1, -1)),
        ((norm, multiplied, other, after), (-1, 0, 0, 1)),
    ]
    links = draw(st.sampled_from(all_links))
    found = Chain(links[0], sources=links[1])
    unread = [at for at in range(len(found.links) - 1) if found.last_reader(at) == at]
    also = [0] if draw(st.booleans()) else []
    return replace(found, stored=tuple(sorted({*unread, *also})))


@settings(max_examples=20, deadline=None)
@given(
    chains(),
    st.sampled_from(["fp64", "fp8"]),
    st.sampled_from(["off", "on"]),
    st.integers(1, 16),
)
def test_the_busiest_cluster_takes_as_long_as_its_events(
    whole: Chain, precision: str, double: str, clusters: int
) -> None:
    one = chip(precision, double_buffer=double, clusters=str(clusters), ports="1")
    found = chain._kept(one, whole)
    assert found is not None
    tiles, mine = [], -(-whole.links[0].rows // found.clusters)
    for start in range(0, mine, found.at_once):
        rows = min(found.at_once, mine - start)
        for at in range(len(whole.links)):
            tiles += _tiles(one, whole, at, rows, found.clusters)
    events = Cluster(double == "on", one.streams.barrier, one.dma.dma_disturbs).run(tiles)
    assert found.cycles == pytest.approx(events)


def _tiles(one: Chip, whole: Chain, at: int, rows: int, clusters: int) -> list[Tile]:
    """Every transfer and every piece of work, one by one."""
    number, link = one.number_bytes, whole.links[at]
    is_left = at in {*whole.stored, len(whole.links) - 1}
    is_read = whole.source(at) < 0

    def read(columns: int, count: int) -> Fetch:
        return fetch(one, ((columns * number, rows),) * count, clusters) if count else NOTHING

    def written(columns: int) -> Fetch:
        return stored(one, columns * number, rows, clusters) if is_left else NOTHING

    if isinstance(link, Rows):
        load = read(link.columns, link.operands - (not is_read))
        step = Step(load, KERNELS[link.kind](one, rows, link.columns))
        return [Tile(1, step, written(link.columns))]
    tiles = [Tile(1, Step(read(link.k, 1), 0.0), NOTHING)] if is_read else []
    deep = 512 // number
    for start in range(0, link.n, 64):
        n, steps = min(64, link.n - start), []
        for inner in range(0, link.k, deep):
            k = min(deep, link.k - inner)
            weight = fetch(one, ((k * number, n),), clusters)
            steps.append(Step(weight, multiplying(one)(rows, n, k, inner > 0)))
        first, *rest = steps
        middle = rest[0] if len(rest) > 1 else None
        last = rest[-1] if rest else None
        tiles.append(Tile(1, first, written(n), middle, max(0, len(rest) - 1), last))
    return tiles


@given(
    chains(),
    st.lists(st.sampled_from(["add", "scale"]), max_size=2),
    st.integers(1, 16),
    st.integers(1, 9),
)
def test_bytes_are_those_of_all_transfers(
    whole: Chain, follow: list[str], clusters: int, at_once: int
) -> None:
    """Cluster by cluster, each with its own rows."""
    links = tuple(
        replace(link, follow=tuple(follow)) if isinstance(link, Product) else link
        for link in whole.links
    )
    one, whole = chip("fp64"), replace(whole, links=links)
    busy = min(clusters, links[0].rows)
    numbers = 0
    for cluster in range(busy):
        mine = len(range(cluster, links[0].rows, busy))
        for start in range(0, mine, at_once):
            rows = min(at_once, mine - start)
            numbers += sum(_moved(whole, at, rows) for at in range(len(links)))
    found = chain._dma_bytes(one, whole, chain._Way(busy, at_once, 64, 64))
    assert found == one.number_bytes * numbers


def _moved(whole: Chain, at: int, rows: int) -> int:
    """Numbers that a kernel fetches and stores for so many rows."""
    link, is_read = whole.links[at], whole.source(at) < 0
    numbers = rows * link.columns if at in {*whole.stored, len(whole.links) - 1} else 0
    if isinstance(link, Rows):
        return numbers + rows * link.columns * (link.operands - (not is_read))
    added = link.follow.count("add") * rows * link.n
    return numbers + link.n * link.k + added + rows * link.k * is_read


NORMED = (Rows("layernorm", 128, 768), Product(128, 3072, 768, follow=("scale", "gelu")))


@pytest.mark.parametrize("precision", ["fp64", "fp8"])
def test_rows_that_stay_are_neither_stored_nor_fetched(precision: str) -> None:
    """Of 128 tokens, each cluster has eight: one for each core."""
    off, on = (chip(precision, keep_rows=lever) for lever in ("off", "on"))
    apart, (together,) = costs(off, Chain(NORMED)), costs(on, Chain(NORMED))
    assert together.tiles == ("8 rows kept",)
    assert together.cycles < sum(each.cycles for each in apart)
    weights = 16 * 3072 * 768  # all of it, for each cluster
    assert together.dma_bytes == on.number_bytes * (weights + 128 * 768 + 128 * 3072)
    assert together.flops == sum(each.flops for each in apart)


def test_rows_that_have_no_room_are_stored() -> None:
    one = chip(keep_rows="on")
    long = (Rows("scale", 16, 6000), Product(16, 64, 6000))
    assert kept(one, Chain((long[1], Rows("layernorm", 16, 64)))) is not None
    assert kept(one, Chain((Product(16, 20_000, 64), Rows("layernorm", 16, 20_000)))) is None
    found = costs(one, Chain(long))
    assert [each.cycles for each in found] == [cost(one, link).cycles for link in long]


@settings(max_examples=10, deadline=None)
@given(chains(), st.sampled_from(["fp64", "fp16"]), st.sampled_from(["off", "on"]))
def test_a_chain_is_never_slower_for_the_lever(whole: Chain, precision: str, double: str) -> None:
    apart, cut = (
        sum(
            each.cycles
            for each in costs(chip(precision, double_buffer=double, keep_rows=lever), whole)
        )
        for lever in ("off", "on")
    )
    assert cut <= apart


@settings(max_examples=30, deadline=None)
@given(
    chains(),
    st.sampled_from(["fp64", "fp8"]),
    st.sampled_from(["off", "on"]),
    st.integers(14_000, 40_000),
)
def test_rows_never_overflow_the_scratchpad_and_no_more_would_fit(
    whole: Chain, precision: str, double: str, scratchpad_bytes: int
) -> None:
    one = chip(
        precision,
        double_buffer=double,
        scratchpad_bytes=str(scratchpad_bytes),
        find_tiles="on",
        clusters="1",
    )
    n, k = 64, 512 // one.number_bytes
    room = one.geometry.usable_bytes // one.number_bytes
    rows = chain._room(one, whole, n, k)
    assert rows < 1 or _held(whole, rows, n, k, twice=double == "on") <= room
    assert _held(whole, max(0, rows) + 1, n, k, twice=double == "on") > room


def _held(whole: Chain, rows: int, n: int, k: int, *, twice: bool) -> int:
    """The most numbers that are in a scratchpad at once, buffer by buffer."""
    most, links = 0, whole.links
    for at, link in enumerate(links):
        buffers = {
            one: rows * links[one].columns
            for one in range(at)
            if any(whole.source(reader) == one for reader in range(at, len(links)))
        }
        stays = any(whole.source(reader) == at for reader in range(at, len(links)))
        numbers = sum(buffers.values()) + rows * (link.reads if whole.source(at) < 0 else 0)
        if isinstance(link, Product):
            numbers += _tile_of(link, n, k)
        elif whole.source(at) >= 0:
            numbers += rows * (link.operands - 1) * link.columns
        written = min(n, link.n) if isinstance(link, Product) and not stays else link.columns
        numbers += rows * written * (2 if twice and not stays else 1)
        early = [0]
        if twice and isinstance(link, Product):  # its own next tile
            early.append(_tile_of(link, n, k))
        if twice:
            following = links[at + 1] if at + 1 < len(links) else links[0]
            reads_hbm = at + 1 == len(links) or whole.source(at + 1) < 0
            if isinstance(following, Product):
                early.append(rows * following.k if reads_hbm else _tile_of(following, n, k))
            else:
                fetched = following.operands - (not reads_hbm)
                early.append(rows * fetched * following.columns)
        most = max(most, numbers + max(early))
    return most


def _tile_of(link: Product, n: int, k: int) -> int:
    return min(n, link.n) * min(k, link.k)


def test_it_is_cut_where_that_is_fastest() -> None:
    """All ways by hand: every subset of the borders."""
    one = chip("fp8", keep_rows="on")
    links: tuple[Link, ...] = (*NORMED, Rows("layernorm", 128, 3072))
    ways = [
        sum(_part(one, links[start:stop]) for start, stop in pairwise(ends))
        for ends in ([0, 3], [0, 1, 3], [0, 2, 3], [0, 1, 2, 3])
    ]
    assert sum(each.cycles for each in costs(one, Chain(links))) == min(ways)


def _part(one: Chip, links: tuple[Link, ...]) -> float:
    if len(links) == 1:
        return cost(one, links[0]).cycles
    found = kept(one, Chain(links))
    return float("inf") if found is None else found.cycles


@pytest.mark.parametrize("precision", ["fp64", "fp8"])
def test_what_others_read_as_well_is_stored_and_not_fetched(precision: str) -> None:
    one = chip(precision, keep_rows="on")
    alone, read = kept(one, Chain(NORMED)), kept(one, Chain(NORMED, stored=(0,)))
    assert alone is not None
    assert read is not None
    assert read.dma_bytes == alone.dma_bytes + one.number_bytes * 128 * 768
    assert read.at_once == alone.at_once
    assert alone.cycles < read.cycles
