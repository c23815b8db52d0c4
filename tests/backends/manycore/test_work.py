"""Kinds of work: a projection at other sizes, and parts of a chain with what is read behind."""

from dataclasses import replace

from stagecut.backends.manycore.mapped import works_of
from stagecut.backends.manycore.product import Product
from stagecut.backends.manycore.work import Chain, Projected, Rows
from tests.backends.manycore.numerics.test_executable import block

NORM, WIDE, NARROW = Rows("layernorm", 4, 6), Product(4, 8, 6), Product(4, 2, 6)
#: Both products read the norm, and a sum the second of them.
THREE = Chain((NORM, WIDE, NARROW, Rows("add", 4, 2)), sources=(-1, 0, 0, 2))


def test_a_projection_at_other_sizes_is_the_one_that_is_found_there() -> None:
    here, there = (
        next(work for work in works_of(block(rows).node, fused=True) if isinstance(work, Projected))
        for rows in (5, 30)
    )
    assert here.at((1, 4, 30, 4), 30) == replace(there, operator="")


def test_rows_stay_until_their_last_reader() -> None:
    assert [THREE.last_reader(at) for at in range(4)] == [2, 1, 3, 3]


def test_a_part_of_a_chain_stores_what_the_others_read() -> None:
    assert THREE.part(0, 2) == Chain((NORM, WIDE), stored=(0,))
    assert THREE.part(2, 4) == Chain((NARROW, Rows("add", 4, 2)))


def test_a_chain_in_a_line_names_no_sources() -> None:
    assert Chain((NORM,)).extended(WIDE, 0) == Chain((NORM, WIDE))
    assert Chain((NORM, WIDE)).extended(NARROW, 0) == Chain((NORM, WIDE, NARROW), (), (-1, 0, 0))
