"""The whole compile: a model becomes entries, each entry is planned (question.py), and the plan is
written.

model -> entries: Program -> ... -> PlannedEntry -> Plan file
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from os import PathLike
from pathlib import Path

from stagecut.compiler.arguments import (
    Precision,
    check_alone,
    check_machine,
    check_measuring,
    check_metric,
    check_named,
    check_question,
    check_stream,
    lower_precision_of,
    tolerance_of,
)
from stagecut.compiler.arrows import Phases
from stagecut.compiler.context import Settings
from stagecut.compiler.context_of import context_of, scratch_folder
from stagecut.compiler.entries import (
    Entry,
    check_entries,
    costs_by_entry,
    entries_of,
    further_lengths,
    named_in,
    residents_of,
    shapes_of_variants,
    tables_in,
    weights_into,
)
from stagecut.compiler.formats.archive import ArchiveWriter
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.formats.machine_json import write_machine
from stagecut.compiler.formats.plan_file import Plan, write_plan
from stagecut.compiler.formats.plan_members import Members
from stagecut.compiler.formats.quantised_nodes import has_few_bits
from stagecut.compiler.formats.weights import (
    FILE_NAME,
    WeightFile,
    model_bytes,
    write_models_into,
)
from stagecut.compiler.formats.working_folder import WorkingFolder
from stagecut.compiler.frontends.load import import_model, tell
from stagecut.compiler.frontends.model_folder import with_encoder
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.given import calibrated, measured_by, original_of
from stagecut.compiler.ir.answer import of_answer
from stagecut.compiler.ir.costs import Costs
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.measured_machine import MeasuredMachine
from stagecut.compiler.ir.metric import MetricFunction
from stagecut.compiler.ir.objective import THROUGHPUT, parse_objective
from stagecut.compiler.ir.plan import PlanDocument, PlannedEntry
from stagecut.compiler.ir.precision import SharedBudget
from stagecut.compiler.ir.state import Decoding, DecodingOptions
from stagecut.compiler.ir.stream_certificate import limits_of_stream
from stagecut.compiler.isolated import (
    Request,
    compile_isolated,
)
from stagecut.compiler.original import Original
from stagecut.compiler.over_hosts import OverHosts
from stagecut.compiler.plan_entry import PlanEntry
from stagecut.compiler.question import Question
from stagecut.compiler.shared_budget import shares_of
from stagecut.passes.cluster.cluster import Granularity
from stagecut.passes.partition.restrict import Restrict, parse_rule


def compile_model(  # noqa: PLR0913  everything that a compile can be told
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str] | None = None,
    shapes: Shapes | Sequence[Shapes] | None = None,
    objective: str = "latency",
    pins: Sequence[str] = (),
    forbids: Sequence[str] = (),
    granularity: Granularity = "cluster",
    tolerance: float | None = None,
    precision: Precision | None = None,
    calibrate: str | PathLike[str] | None = None,
    metric: str | MetricFunction | None = None,
    data: str | PathLike[str] | None = None,
    reference: object = None,
    max_energy_j: float | None = None,
    max_batch: int | None = None,
    max_latency_s: float | None = None,
    max_memory_bytes: float | None = None,
    costs: Costs | Mapping[str, Costs] | None = None,
    machine: MeasuredMachine | None = None,
    decoding: DecodingOptions = DecodingOptions(),
    settings: Settings = Settings(),
    isolated: bool = False,
) -> Plan:
    """Decide where each part of `model` runs and return a plan that runs it so.

    `model` is a path (.onnx, .pt2, a folder of an encoder and a decoder), `package.module:factory`,
    `zoo:NAME`, a torch Module, ExportedProgram or GraphModule (with `example_inputs`), an ONNX
    model, or one that has been imported. What a torch model changes in place, its inputs or its
    buffers, comes back as further outputs, after a warning: a plan keeps nothing from one run to
    the next. `feeds` are sample inputs by name, for models that bring none; `shapes` bind symbolic
    dimensions: a shape for each input by name, or several such mappings, each of which becomes a
    variant of the plan.
    `devices` are specs, `NAME[:key=value,...]`; without them, the real devices of this machine, or
    those of `costs`: a table to use instead of measuring, or a function that makes one of the graph
    with each node's candidates; contenders are then compared by it, too. Of a decoder it is for
    each entry, or one for each by name. `machine` are several hosts, on any of which nodes may run,
    for latency or throughput: what this one takes is measured, and what the others take follows
    from that and from what was measured of them. `decoding` says more of a model with a cache,
    which becomes the entries prefill and decode, behind encode where it has an encoder, whose
    `feeds` and `shapes` these are then. `objective` is latency, energy, or weights for both:
    `latency=1,energy=0.5`; or throughput, for a plan whose session streams as many inputs a second
    as can be; or, of a decoder, `generate:prompt=512,new=128`, for the time of such an answer.
    `pins` and `forbids` are rules, `PATTERN=DEVICE`: which nodes must run where, and where they
    must not. `tolerance` is the most by which an output may be off, as a part of its largest
    number, and as a relative rms error on held-out samples; it admits devices of lower precision,
    of which `precision` says which: bf16, int8, int4, or auto for all (within 0.05 unless a
    tolerance is given), f32 for none. `calibrate` is an .npz file with samples by input, or a
    folder of such: half of them are for the errors of nodes, half for those of plans. `metric`,
    a function or `package.module:function`, says in the user's own terms how good outputs are, the
    larger the better, on the samples in `data`, which are as those in `calibrate`, and beside them
    holds labels under other names: `metric(outputs, data)`, all arrays with an axis of samples in
    front. Then the tolerance is what the metric may lose. `reference`
    is the model in full precision, given as `model` is, where that one comes quantised: outputs are
    held against those of the reference, within 0.05 unless a tolerance is given.
    `max_energy_j` is the most that a run, or an input of a stream, may take, by the costs. Of a
    stream, `max_batch` says how many inputs it may run in one call, where that is faster (8 unless
    said), and `max_latency_s` and `max_memory_bytes` what an input may take from end to end, and
    what weights and values on their way may (over hosts, the weights of each), by the costs.
    `isolated` measures in a process of its own, which an engine may take down: then the compile
    goes on without that engine there. Its progress is not seen.

    Raises StagecutError for everything that is wrong with the input or the circumstances.
    """
    check_measuring(devices, feeds, granularity, settings, decoding)
    check_question(objective, pins, forbids, tolerance, max_energy_j, costs, precision)
    check_metric(metric, data, tolerance, objective, isolated=isolated)
    objective, decoding = of_answer(objective, decoding)
    lower_precision = lower_precision_of(tolerance, precision)
    tolerance = tolerance_of(tolerance, precision, reference)
    check_stream(max_batch, max_latency_s, max_memory_bytes)
    tables = tables_in(costs)
    streams = objective == str(THROUGHPUT)
    a_run_j, an_input_j = (None, max_energy_j) if streams else (max_energy_j, None)
    limits = {"max_batch": max_batch, "max_energy_j": an_input_j}
    check_machine(machine, tables, objective, limits)
    if isolated:
        check_alone(costs)
        request = replace(
            Request.of("compile", devices, shapes, granularity, settings),
            objective=objective,
            pins=tuple(pins),
            forbids=tuple(forbids),
            tolerance=tolerance,
            precision=precision,
            calibrate=None if calibrate is None else Path(calibrate),
            metric=None if metric is None else str(metric),
            data=None if data is None else Path(data),
            reference=check_named(reference),
            max_energy_j=max_energy_j,
            max_batch=max_batch,
            max_latency_s=max_latency_s,
            max_memory_bytes=max_memory_bytes,
            costs={name: write_costs(table) for name, table in tables.items()},
            machine=None if machine is None else write_machine(machine),
            decoding=decoding,
        )
        return compile_isolated(model, example_inputs, feeds, request, settings)
    phases = Phases(settings.clock, settings.phase)
    goal = parse_objective(objective)
    context = context_of(
        devices or named_in(tables),
        settings,
        lower_precision=lower_precision,
        streams=goal.streams,
    )
    question = Question(
        context,
        goal,
        Restrict(tuple(map(parse_rule, pins)), tuple(map(parse_rule, forbids))),
        granularity,
        tolerance,
        a_run_j,
        limits_of_stream(max_latency_s, max_memory_bytes, an_input_j),
        max_batch,
        phases,
        hosts=None if machine is None else OverHosts(machine.within(max_memory_bytes), context),
    )
    with phases("import"):
        bound = shapes_of_variants(shapes, tables)
        shaped = [name for each in bound for name in each]
        imported, feeds = import_model(
            model, example_inputs=example_inputs, feeds=feeds, shaped=shaped
        )
        imported = with_encoder(imported, decoding.encoder)
        entries, shared = entries_of(imported, bound, feeds, decoding)
        # what a decoder changes in place are its states, which a plan keeps
        tell(imported if shared is None else replace(imported, changes=()), model, settings.warn)
        if calibrate is not None:
            entries = calibrated(entries, Path(calibrate))
        if metric is not None and data is not None:
            entries = measured_by(entries, metric, Path(data))
        original = None if reference is None else original_of(reference, entries)
        names = [entry.name for entry in entries]
        by_entry = costs_by_entry(costs, names)
        check_entries(names, by_entry, goal)
    folder = scratch_folder(settings)
    if original is not None:
        question = replace(question, right=Original(original, folder.path / "original"))
    with ArchiveWriter(folder.path / "model.plan") as archive:
        with phases("weights"):
            weights = weights_into(archive, entries)
        members = Members()
        planned, budget = _planned(question, entries, weights, shared, by_entry, machine, members)
        with phases("write"):
            document = PlanDocument(planned, shared, budget=budget)
            plan = _written(archive, document, members, folder)
    return replace(plan, phases=phases.seconds)


def _planned(
    question: Question,
    entries: Sequence[Entry],
    weights: Sequence[Sequence[WeightFile]],
    decoding: Decoding | None,
    costs: Mapping[str, Costs],
    machine: MeasuredMachine | None,
    members: Members,
) -> tuple[dict[str, PlannedEntry], SharedBudget | None]:
    """Each entry, with the files that it names in `members`, and the budget of errors that they
    share: those of a decoder, of whose answer the time counts."""
    only_reference = question.context.only_reference
    shares = None
    if not costs and machine is None and not only_reference:
        shares = shares_of(question, entries, weights, decoding)
    planned: dict[str, PlannedEntry] = {}
    # Prefill hands its rows over to where decode reads them, which is known by then.
    for entry, own in reversed([*zip(entries, weights, strict=True)]):
        asked = replace(
            question,
            entry=entry.name,
            costs=None if only_reference else costs.get(entry.name),
            residents=residents_of(entry.name, decoding, planned, machine),
            lengths=further_lengths(entry.name, entries, decoding, by_costs=bool(costs)),
        )
        within = asked if shares is None else shares.asked(asked, planned)
        with nullcontext() if shares is None else shares.told(within):
            planned[entry.name], added = PlanEntry(within, entry, own)()
        members.update(added)
    in_order = {entry.name: planned[entry.name] for entry in entries}
    return in_order, None if shares is None else shares.shared


def _written(
    archive: ArchiveWriter, document: PlanDocument, members: Members, folder: WorkingFolder
) -> Plan:
    """The plan: `archive`, which holds the weights in full; or, where devices hold some in few
    bits, one in its place with the weights as the plan's own programs read them."""
    if not any(map(has_few_bits, members.models.values())):
        models = {name: model_bytes(model) for name, model in members.models.items()}
        return write_plan(archive, document, {**models, **members.files}, folder)
    document = replace(document, full_weight_bytes=archive.sizes[FILE_NAME])
    archive.path.unlink()  # what is mapped of it stays
    with ArchiveWriter(archive.path) as smaller:
        files = {**write_models_into(members.models, smaller), **members.files}
        return write_plan(smaller, document, files, folder)
