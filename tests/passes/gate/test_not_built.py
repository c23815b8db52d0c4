"""Which whole plans are not built: those that another device beats in time and in error by far, or
that are far beyond the tolerance."""

import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable, with_errors
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.not_built import not_built
from tests.support.tables import cost_table, in_order, placed

DEVICES = dict.fromkeys(("f32", "int8", "int4"), "host")


def _table(times_us: str, int8: float, int4: float) -> CostTable:
    table = cost_table(f"a: {times_us}", devices=DEVICES)
    return with_errors(table, {"a": {"int8": int8, "int4": int4}}, 1.0)


def _proposal(table: CostTable, device: str, *also: ContenderId) -> Proposal:
    schedule = in_order(table, placed(f"{device}: a"))
    id_ = ContenderId(ContenderKind.SINGLE, device)
    return Proposal(id_, schedule, account(table, schedule), also)


CASES = {
    "slower and further off": ("f32 3000, int8 9000, int4 2000", 1e-4, 1e-2, ["int8"]),
    "nearly as fast": ("f32 3000, int8 4000, int4 2000", 1e-4, 1e-2, []),
    "slower by no time worth a word": ("f32 30, int8 90, int4 20", 1e-4, 1e-2, []),
    "slower, and nearer than what is faster": ("f32 9000, int8 3000, int4 1000", 1e-4, 1e-2, []),
    "slower than one that is as far off": ("f32 9000, int8 1000, int4 4000", 1e-4, 1e-4, ["int4"]),
    "in full precision, however slow": ("f32 9000, int8 1000, int4 1000", 0.0, 0.0, []),
    "slower than what takes no time": ("f32 0, int8 9000, int4 0", 1e-4, 1e-2, []),
    "two by one": ("f32 1000, int8 9000, int4 4000", 1e-4, 1e-2, ["int8", "int4"]),
}


@pytest.mark.parametrize(("times_us", "int8", "int4", "names"), CASES.values(), ids=CASES.keys())
def test_left_out(times_us: str, int8: float, int4: float, names: list[str]) -> None:
    table = _table(times_us, int8, int4)
    found = not_built([_proposal(table, device) for device in DEVICES], 0.5)
    assert [each.proposal.name for each in found] == names


def test_it_says_by_what() -> None:
    table = _table("f32 2000, int8 3000, int4 8000", 1e-4, 1e-2)
    [found] = not_built([_proposal(table, device) for device in DEVICES], None)
    assert str(found) == "int4 (4.0 times as long as f32, and no nearer)"


def test_what_is_the_optimum_too_stays() -> None:
    table = _table("f32 3000, int8 9000, int4 2000", 1e-4, 1e-2)
    optimum = ContenderId(ContenderKind.OPTIMUM)
    rivals = [_proposal(table, "f32"), _proposal(table, "int8", optimum)]
    assert not_built(rivals, 1e-9) == ()


def test_what_is_far_beyond_the_tolerance() -> None:
    table = _table("f32 3000, int8 2000, int4 1000", 1e-4, 1e-2)
    rivals = [_proposal(table, device) for device in DEVICES]
    found = [[str(each) for each in not_built(rivals, most)] for most in (0.006, 0.004, 0.0004)]
    assert found == [[], ["int4 (10 % off)"], ["int8 (1 % off)", "int4 (10 % off)"]]
    assert not_built(rivals, None) == ()
