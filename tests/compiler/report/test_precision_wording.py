"""What a report says of lower precision."""

from dataclasses import replace

from stagecut.compiler.ir.plan import WeightSizes
from stagecut.compiler.ir.precision import Attempt, ContenderError, PlannedPrecision
from stagecut.compiler.report import precision_wording
from stagecut.compiler.report.model.rows import ContenderRow


def _precision(*errors: ContenderError, attempts: tuple[Attempt, ...] = ()) -> PlannedPrecision:
    return PlannedPrecision(0.05, 4, 48, 4, attempts, errors)


def test_both_errors_stand_beside_each_other() -> None:
    planned = _precision(
        ContenderError("optimum", 0.04, 0.05, kept=True),
        ContenderError("cpu.int4.serial", 0.24, 0.2, kept=False),
        ContenderError("cpu.serial", 0.0, None, kept=True),
    )
    own, all_of_them = precision_wording.precision(planned, "optimum")
    assert own == "error 5 % (rms on 4 held-out samples), 4 % predicted; 5 % allowed"
    assert all_of_them == (
        "predicted errors are 0.80 (optimum) to 1.20 (cpu.int4.serial) times those measured, by "
        "48 runs of the whole model"
    )


def test_tighter_budgets_are_told() -> None:
    attempts = (Attempt(0.0025, 0.05, 0.06), Attempt(0.0016, 0.04, 0.045))
    [told] = precision_wording.precision(_precision(attempts=attempts), "cpu.serial")
    assert told == "solved 2 times under other budgets: 6 %, 4.5 %"


def test_a_metric_of_the_users_own_is_told_before_errors() -> None:
    own = ContenderError("optimum", 0.04, 0.05, kept=True, metric=0.912)
    planned = replace(_precision(own), tolerance=0.01, metric="mine:accuracy", right=0.92)
    told, error, _ = precision_wording.precision(planned, "optimum")
    assert told == (
        "mine:accuracy is 0.912 on 4 held-out samples, 0.92 in full precision; it may lose 0.01"
    )
    assert error == "error 5 % (rms on 4 held-out samples), 4 % predicted"


def test_what_a_quantised_model_is_held_against() -> None:
    planned = replace(_precision(), reference="full.onnx", own=0.013)
    [told] = precision_wording.precision(planned, "cpu.serial")
    assert told == ("held against full.onnx, from which the model itself is off by 1.3 % (rms)")


def test_what_was_not_built_is_told() -> None:
    out = ("cpu.int4.serial (3.1 times as long as cpu.parallel, and no nearer)", "x (90 % off)")
    [told] = precision_wording.precision(replace(_precision(), not_built=out), "cpu.parallel")
    assert told == (
        "not built, by the costs and the errors of single nodes: cpu.int4.serial (3.1 times as "
        "long as cpu.parallel, and no nearer), x (90 % off)"
    )


def _row(name: str, median_s: float, *, chosen: bool = False) -> ContenderRow:
    return ContenderRow(
        kind="single",
        device=name,
        name=name,
        also=(),
        chosen=chosen,
        is_optimum=False,
        stages=1,
        basis="measured",
        accounting="measured",
        runs=3,
        median_s=median_s,
        low_s=median_s,
        high_s=median_s,
        min_s=median_s,
        max_s=median_s,
        predicted_s=median_s,
        energy_j=None,
        cpu_s=None,
        why="",
        noise="",
    )


def test_why_nothing_runs_in_lower_precision() -> None:
    planned = _precision(
        ContenderError("cpu.parallel", 0.0, None, kept=True),
        ContenderError("openvino.f32", 0.0, None, kept=True),
        ContenderError("openvino.int8", 0.03, 0.032, kept=True),
        ContenderError("cpu.int4.parallel", 0.24, 0.25, kept=False),
    )
    rows = [
        _row("cpu.parallel", 0.02, chosen=True),
        _row("openvino.int8", 0.026),
        _row("openvino.f32", 0.021),
    ]
    assert precision_wording.none_pays(planned, rows) == (
        "lower precision does not pay within the tolerance: openvino.int8 takes 1.30 times as "
        "long; cpu.int4.parallel is 25 % off"
    )
    pays = [replace(each, chosen=each.name == "openvino.int8") for each in rows]
    assert precision_wording.none_pays(planned, pays) == ""
    assert precision_wording.none_pays(None, rows) == ""
    assert precision_wording.none_pays(planned, rows[:1]) != ""


def test_who_is_as_fast_is_not_said_to_be_slower() -> None:
    """What ships may be as good within the noise, and in fewer stages, or take less energy."""
    planned = _precision(
        ContenderError("cpu.parallel", 0.0, None, kept=True),
        ContenderError("openvino.int8", 0.03, 0.032, kept=True),
        ContenderError("cpu.int4.parallel", 0.24, 0.25, kept=False),
    )
    rows = [_row("cpu.parallel", 0.02, chosen=True), _row("openvino.int8", 0.0199)]
    assert precision_wording.none_pays(planned, rows) == ""


def test_nothing_is_said_of_full_precision() -> None:
    assert precision_wording.precision(None, "cpu.serial") == ()
    full = _precision(ContenderError("cpu.serial", 0.0, None, kept=True))
    assert precision_wording.precision(full, "cpu.serial") == ()


def test_weights_in_few_bits_are_held_against_full_precision() -> None:
    assert precision_wording.weights(None) == ""
    told = "weights take 1.00 MiB in the file, 25% of the 4.00 MiB in full precision"
    assert precision_wording.weights(WeightSizes(1 << 20, 4 << 20)) == told
