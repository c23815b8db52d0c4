"""Plans that were compared: what they are called, and which of them are the optimum."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from tests.support.planned_variants import mixed

KINDS = {
    "the optimum": (ContenderId(ContenderKind.OPTIMUM), "optimum"),
    "with fewer stages": (ContenderId(ContenderKind.FEWER_STAGES), "optimum, fewer stages"),
    "a device alone": (ContenderId(ContenderKind.SINGLE, "cpu.serial"), "cpu.serial"),
    "in a configuration of its own": (
        ContenderId(ContenderKind.SINGLE, "cpu.parallel", "waiting=spin"),
        "cpu.parallel (waiting=spin)",
    ),
    "replicas": (ContenderId(ContenderKind.SINGLE, "cpu", replicas=2), "2 x cpu"),
    "replicas in processes, batches": (
        ContenderId(
            ContenderKind.SINGLE, "cpu", replicas=2, batches=(4,), hosting="pinned processes"
        ),
        "2 x cpu in pinned processes, batch 4",
    ),
    "a pipeline in batches": (
        ContenderId(ContenderKind.OPTIMUM, batches=(4, 4)),
        "optimum, batch 4",
    ),
    "batches in some stages": (
        ContenderId(ContenderKind.OPTIMUM, batches=(1, 8, 1)),
        "optimum, batches 1 > 8 > 1",
    ),
    "a pipeline in processes": (
        ContenderId(ContenderKind.OPTIMUM, hosting="processes"),
        "optimum in processes",
    ),
    "one that was solved before": (
        ContenderId(ContenderKind.EARLIER, attempt=2),
        "earlier optimum 2",
    ),
    "a device first": (ContenderId(ContenderKind.FIRST, "openvino.f32"), "openvino.f32 first"),
}


@pytest.mark.parametrize(("id_", "text"), KINDS.values(), ids=KINDS.keys())
def test_what_contenders_are_called(id_: ContenderId, text: str) -> None:
    assert str(id_) == text


def test_a_single_run_is_where_no_stream_is() -> None:
    id_ = ContenderId(ContenderKind.SINGLE, "cpu", replicas=2, hosting="processes")
    assert id_.plain == ContenderId(ContenderKind.SINGLE, "cpu")
    earlier = ContenderId(ContenderKind.EARLIER, attempt=2, hosting="processes")
    assert earlier.plain == ContenderId(ContenderKind.EARLIER, attempt=2)


def test_an_optimum_that_is_one_device_goes_by_the_device_and_is_still_the_optimum() -> None:
    shipped = mixed().planned.shipped
    optimum, alone = ContenderId(ContenderKind.OPTIMUM), ContenderId(ContenderKind.SINGLE, "cpu")
    both = replace(shipped, id=optimum, also=(alone,))
    assert (both.name, both.is_optimum, both.single_device) == ("cpu", True, "cpu")
    one = replace(shipped, id=optimum, also=())
    assert (one.name, one.is_optimum, one.single_device) == ("optimum", True, None)
    other = replace(shipped, id=alone, also=())
    assert (other.name, other.is_optimum, other.single_device) == ("cpu", False, "cpu")
