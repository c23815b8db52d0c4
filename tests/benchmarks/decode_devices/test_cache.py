"""What a PIM whose memory holds the cache can do of a decode step, and what its own model says."""

import pytest

from benchmarks.decode_devices.cache import CacheInMemory, Caches, with_cache
from stagecut.backends.pim.work import Product
from stagecut.compiler.entries import entries_of
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.compiler.ir.state import DecodingOptions
from tests.support.decoders import HEADS, SIZE, tiny_decoder

LENGTH = 64
SPEC = "pim.aim:channels=8"


@pytest.fixture(scope="module")
def step() -> tuple[Graph, Caches]:
    """The entry `decode` of one layer behind LENGTH - 1 tokens, a node for each operator."""
    imported, _ = import_model(tiny_decoder())
    options = DecodingOptions(prompt=2, capacity=2 * (LENGTH - 1) - 2)
    (_, decode), decoding = entries_of(imported, [{}], None, options)
    assert decoding is not None
    graph = graph_of(decode.programs[0])
    return graph, Caches.of(graph, decoding.states)


def device(caches: Caches) -> CacheInMemory:
    return with_cache("pim.cache", SPEC, caches)


def nodes(graph: Graph, op: str) -> list[Node]:
    return [node for node in graph.nodes if node.operators[0].op == op]


def test_both_products_with_the_cache_are_seen_by_head(step: tuple[Graph, Caches]) -> None:
    graph, caches = step
    found = [caches.product(node.operators[0]) for node in nodes(graph, "MatMul")]
    assert [each for each in found if each] == [
        (Product(1, SIZE, LENGTH), HEADS),  # scores
        (Product(1, LENGTH, SIZE), HEADS),  # mix
    ]
    assert caches.length == LENGTH


def test_the_device_takes_the_products_and_the_cache_and_leaves_softmax(
    step: tuple[Graph, Caches],
) -> None:
    graph, caches = step
    pim = device(caches)
    assert pim.device.name == "pim.cache"
    assert all(pim.supports(node) for node in (*nodes(graph, "MatMul"), *nodes(graph, "Concat")))
    plain = pim.inner
    refused = [node for node in nodes(graph, "MatMul") if not plain.supports(node)]
    assert len(refused) == 2
    assert not any(pim.supports(node) for node in nodes(graph, "Softmax"))


def test_heads_run_in_turn_or_side_by_side_whichever_is_faster(step: tuple[Graph, Caches]) -> None:
    graph, caches = step
    pim = device(caches)
    scores, mix = [node for node in nodes(graph, "MatMul") if caches.product(node.operators[0])]
    one_s = pim.inner.architecture.cost(Product(1, SIZE, LENGTH)).spent.run_s
    share = with_cache("share", f"pim.aim:channels={8 // HEADS}", caches)
    share_s = share.inner.architecture.cost(Product(1, SIZE, LENGTH)).spent.run_s
    assert pim.estimate(scores).run_s == pytest.approx(min(HEADS * one_s, share_s))
    # each number of a new row of values is written in a burst of its own
    write = pim.inner.architecture.write
    scattered_s = write(16 * SIZE * HEADS).run_s - write(SIZE * HEADS).run_s
    mixed_s = min(
        HEADS * pim.inner.architecture.cost(Product(1, LENGTH, SIZE)).spent.run_s,
        share.inner.architecture.cost(Product(1, LENGTH, SIZE)).spent.run_s,
    )
    assert pim.estimate(mix).run_s == pytest.approx(mixed_s + scattered_s)


def test_only_a_pim_has_such_a_memory(step: tuple[Graph, Caches]) -> None:
    with pytest.raises(SystemExit, match="is no PIM device"):
        with_cache("x", "cpu.serial", step[1])
