"""A report's figures, checked by eye against the sample plans."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import Spread
from stagecut.compiler.ir.errors import PlanError, TraceError
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.content import Figure, NodeRow, Observation, Option, Report
from tests.support.manifests import cpu_only, empty, hostile, large, mixed, one_node
from tests.support.planned import US, Sample

SAMPLES = {
    "a mixed plan": mixed(),
    "a plan on the CPU alone": cpu_only(),
    "a plan of one node": one_node(),
    "a plan of no node": empty(),
    "a plan with hostile names": hostile(),
    "a plan of 200 nodes": large(200),
}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


def report_of(sample: Sample) -> Report:
    return build_report(sample.manifest, sample.table, sample.trace)


def us(figure: Figure | None) -> tuple[float, str]:
    """The time in whole nanoseconds, but written in microseconds."""
    assert figure is not None
    return round(figure.time_s / US, 3), figure.basis


def option(name: str, device: str) -> Option:
    nodes = {node.name: node for node in report_of(mixed()).nodes}
    return next(option for option in nodes[name].options if option.device == device)


def test_the_summary_of_a_mixed_plan() -> None:
    summary = report_of(mixed()).summary
    assert us(summary.predicted) == (1101.192, "modelled")
    assert summary.rival is not None
    assert summary.rival.device == "cpu.parallel"
    assert summary.rival.ratio == pytest.approx(1.02 * 1721 / (1.01 * 1101.192))
    assert (summary.nodes, summary.stages, summary.copies) == (12, 5, 2)
    assert summary.copied_bytes == 2 * 65536
    assert (summary.profile_paths, summary.profile_runs) == (2, 40)


def test_a_trace_is_what_was_observed() -> None:
    sample = mixed()
    observed = report_of(sample).summary.observed
    latency_s = sample.trace.latency_s
    assert observed == Observation(Figure(latency_s, "modelled"), "trace", latency_s, latency_s, 1)


def test_without_a_trace_the_gate_is_what_was_observed() -> None:
    sample = cpu_only()
    observed = build_report(sample.manifest, sample.table).summary.observed
    assert observed is not None
    assert observed.source == "gate"
    assert us(observed.total) == (1731.14, "measured")
    assert observed.runs == 20
    stages = build_report(sample.manifest, sample.table).stages
    assert [us(stage.observed) for stage in stages] == [
        (40.4, "measured"),
        (1678.62, "measured"),
        (3.03, "measured"),
    ]


def test_contenders_that_were_only_predicted_are_no_observation() -> None:
    manifest = cpu_only().manifest
    added_up = tuple(replace(c, accounting="predicted") for c in manifest.contenders)
    sample = replace(cpu_only(), manifest=replace(manifest, contenders=added_up))
    assert build_report(sample.manifest, sample.table).summary.observed is None


def test_the_gate_may_overrule_the_optimum() -> None:
    """cpu.parallel was found to be faster than the optimum, and ships."""
    sample = mixed()
    optimum, serial, parallel = sample.manifest.contenders
    contenders = (
        replace(optimum, chosen=False, median_s=2e-3),
        serial,
        replace(parallel, chosen=True, median_s=1.8e-3),
    )
    manifest = replace(sample.manifest, contenders=contenders)
    overruled = build_report(manifest, sample.table, sample.trace).summary.overruled
    assert overruled is not None
    assert us(overruled.predicted) == (1101.192, "modelled")
    assert us(overruled.observed) == (2000, "modelled")
    assert report_of(sample).summary.overruled is None


def test_how_far_measured_stages_were_off() -> None:
    assert report_of(mixed()).summary.off_by == pytest.approx(0.03)
    assert report_of(empty()).summary.off_by is None


@every_sample
def test_the_parts_add_up_to_the_whole(sample: Sample) -> None:
    report = report_of(sample)
    predicted_s = report.summary.predicted.time_s
    stages_s = sum(stage.predicted.time_s for stage in report.stages)
    copies_s = sum(transfer.predicted.time_s for transfer in report.transfers)
    assert stages_s + copies_s == pytest.approx(predicted_s)
    assert sum(share.time.time_s for share in report.shares) == pytest.approx(predicted_s)
    assert sum(share.share for share in report.shares) == pytest.approx(1 if predicted_s else 0)
    assert sum(device.nodes for device in report.devices) == report.summary.nodes
    assert sum(row.nodes for row in report.operators) == report.summary.nodes


@every_sample
def test_the_timeline_has_no_gap_and_ends_with_the_plan(sample: Sample) -> None:
    report = report_of(sample)
    for spans, total_s in (
        (report.predicted_spans, report.summary.predicted.time_s),
        (report.observed_spans, sample.trace.latency_s),
    ):
        end_s = 0.0
        for span in spans:
            assert span.start_s == pytest.approx(end_s)
            end_s = span.start_s + span.time.time_s
        assert end_s == pytest.approx(total_s)


def test_copies_stand_before_the_stage_that_waits_for_them() -> None:
    spans = [span.name for span in report_of(mixed()).predicted_spans]
    assert spans == ["stage 0", "stage 1", "norm1", "stage 2", "down", "stage 3", "stage 4"]


def test_an_output_that_ends_elsewhere_is_copied_last() -> None:
    sample = large(9)  # ends with `down`, on pim.hbm
    report = report_of(sample)
    assert report.transfers[-1].before is None
    assert [span.name for span in report.predicted_spans][-1] == "/layer.0/down"


def test_a_modelled_part_is_drawn_out_to_its_modelled_time() -> None:
    sample = mixed()
    events = tuple(
        replace(event, wall_s=0.5 * event.wall_s) if event.basis == "modelled" else event
        for event in sample.trace.events
    )
    spans = build_report(sample.manifest, sample.table, replace(sample.trace, events=events))
    modelled = [span for span in spans.observed_spans if span.kind == "stage"][2]
    assert us(modelled.time) == (332, "modelled")


OPTIONS = {
    "where it runs there is no extra time": ("up", "pim.hbm", 150, 0),
    "in another memory what it writes is copied, what it reads no longer": (
        "up",
        "cpu.parallel",
        480,
        480 - 150,
    ),
    "a further stage costs its start": ("add1", "cpu.serial", 12, -2 + 2 + 5),
}


@pytest.mark.parametrize(("name", "device", "run_us", "extra_us"), OPTIONS.values(), ids=OPTIONS)
def test_an_option(name: str, device: str, run_us: float, extra_us: float) -> None:
    chosen = option(name, device)
    assert chosen.run is not None
    assert chosen.run.time_s == pytest.approx(run_us * US)
    assert chosen.extra_s == pytest.approx(extra_us * US)


def test_a_device_that_cannot_run_a_node_says_why() -> None:
    assert option("head", "pim.hbm") == Option(
        "pim.hbm", None, "MatMul needs a weight operand here", None, None
    )


FLIPS = {
    "half its time has to go": (Figure(2.0, "measured"), 1.0, 2.0),
    "where it runs already": (Figure(2.0, "measured"), 0.0, 1.0),
    "even in no time it would lose": (Figure(2.0, "measured"), 2.5, None),
    "it cannot run there": (None, None, None),
}


@pytest.mark.parametrize(("run", "extra_s", "factor"), FLIPS.values(), ids=FLIPS.keys())
def test_flips_at(run: Figure | None, extra_s: float | None, factor: float | None) -> None:
    assert Option("d", run, "", extra_s, None).flips_at == factor


def test_what_varies_more_than_it_differs_is_doubtful() -> None:
    """The quartiles of a sample are 99 % and 102 % of its time."""
    costs = {"cpu.serial": 100 * US, "cpu.parallel": 102 * US}
    sample = one_node()
    node = replace(
        sample.table.nodes[0],
        run_s=costs,
        run_spread={name: Spread(20, 0.9 * t, 0.99 * t, 1.02 * t) for name, t in costs.items()},
    )
    planned = replace(sample.manifest.nodes[0], run_s=costs)
    report = build_report(
        replace(sample.manifest, nodes=(planned,)), replace(sample.table, nodes=(node,))
    )
    assert [option.doubtful for option in report.nodes[0].options] == [False, False]
    free = replace(
        sample.table.machine,
        devices=tuple(replace(device, stage_s=0.0) for device in sample.table.machine.devices),
    )
    report = build_report(
        replace(sample.manifest, nodes=(planned,), machine=free),
        replace(sample.table, nodes=(node,), machine=free),
    )
    assert [option.doubtful for option in report.nodes[0].options] == [False, True]


def test_energy_is_that_of_the_whole_run() -> None:
    sample = mixed()
    known = replace(sample.manifest, predicted_j=2.5)
    assert build_report(known, sample.table).summary.energy_j == 2.5
    assert build_report(sample.manifest, sample.table).summary.energy_j is None


def test_where_the_energy_goes_adds_up() -> None:
    sample = mixed()
    stages = tuple(replace(s, energy_j=0.1 * (s.index + 1)) for s in sample.manifest.stages)
    known = replace(sample.manifest, predicted_j=2.0, stages=stages)
    energy = build_report(known, sample.table).energy
    assert [(part.name, round(part.energy_j, 9)) for part in energy] == [
        ("cpu.serial", 0.6),
        ("cpu.parallel", 0.6),
        ("pim.hbm", 0.3),
        ("copies", 0.5),
    ]
    assert sum(part.share for part in energy) == pytest.approx(1)
    assert build_report(sample.manifest, sample.table).energy == ()


def test_loading_is_added_up_over_the_stages() -> None:
    sample = mixed()
    stages = tuple(replace(stage, load_s=0.5) for stage in sample.manifest.stages)
    loaded = replace(sample.manifest, stages=stages)
    assert build_report(loaded, sample.table).summary.load_s == 2.5
    assert build_report(empty().manifest, empty().table).summary.load_s == 0


def test_a_device_counts_the_work_it_was_given() -> None:
    pim = report_of(mixed()).devices[2]
    assert pim.flops == 2 * 16 * 4 * 2**20
    assert pim.weight_bytes == 2 * 4 * 2**20


def test_weights_count_as_the_device_holds_them() -> None:
    sample = mixed()
    padded = tuple(replace(node, held_bytes={"pim.hbm": 10}) for node in sample.table.nodes)
    pim = build_report(sample.manifest, replace(sample.table, nodes=padded)).devices[2]
    assert pim.weight_bytes == 10 * pim.nodes > 0


def test_close_calls_are_the_cheapest_moves_closest_first() -> None:
    calls = report_of(mixed()).close_calls
    assert [(call.op, call.node, call.nodes, call.option.device) for call in calls[:3]] == [
        ("Add", "add2", 2, "cpu.serial"),  # add1 would cost more
        ("Gather", "embed", 1, "cpu.parallel"),
        ("MatMul", "head", 1, "cpu.parallel"),
    ]


def test_close_calls_do_not_repeat_themselves_layer_by_layer() -> None:
    calls = report_of(large(36)).close_calls
    assert [(call.op, call.nodes) for call in calls[:2]] == [("Add", 6), ("Gather", 3)]


def test_a_device_says_what_kept_nodes_away() -> None:
    pim = report_of(mixed()).devices[2]
    assert (pim.nodes, pim.capable, pim.stages) == (3, 7, 1)
    assert [(refusal.reason, refusal.nodes) for refusal in pim.refusals] == [
        ("not among MatMul, Gemm, Add, Mul and Relu", 4),
        ("MatMul needs a weight operand here", 1),
    ]
    assert pim.alone is None


def test_a_device_that_can_run_everything_is_timed_alone() -> None:
    serial, parallel, _ = report_of(mixed()).devices
    assert us(serial.alone) == (3039, "measured")
    assert us(parallel.alone) == (1721, "measured")


def test_operators_are_ranked_by_what_they_take() -> None:
    rows = report_of(mixed()).operators
    assert [row.op for row in rows[:2]] == ["MatMul", "Softmax"]
    on_pim = rows[0].devices[2]
    assert (on_pim.capable, on_pim.placed) == (4, 2)
    assert us(on_pim.capable_time) == (860, "modelled")
    assert us(on_pim.placed_time) == (310, "modelled")


def test_a_cost_table_of_another_plan_is_refused() -> None:
    with pytest.raises(PlanError, match="other nodes"):
        build_report(mixed().manifest, one_node().table)


def test_a_trace_of_another_plan_is_refused() -> None:
    with pytest.raises(TraceError, match="its 5 stages are not the 1 of the plan"):
        build_report(one_node().manifest, one_node().table, mixed().trace)


def test_no_total_hides_a_modelled_part() -> None:
    parts = [Figure(1.0, "measured"), Figure(2.0, "modelled")]
    assert Figure.total(parts) == Figure(3.0, "modelled")
    assert Figure.total(parts[:1]) == Figure(1.0, "measured")


def test_a_node_names_what_it_reads_and_writes() -> None:
    add: NodeRow = report_of(mixed()).nodes[4]
    assert (add.inputs, add.outputs) == (("project", "embed"), ("add1",))
