"""A plan at shapes that it was not profiled with, and plans with a variant for each of several."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from stagecut import backends
from stagecut.compiler import Plan, compile_model
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import EngineError, FeedError, ShapeError, TraceError, UsageError
from stagecut.compiler.onnx_runtime import ort
from stagecut.compiler.report.model.build import build_report
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session
from tests.support.onnx_models import MODELS, TinyModel
from tests.support.scattered import expand, scattered


def _numbers(count: int) -> str:
    numbers = np.random.default_rng(count).standard_normal(count)
    return f"{{{', '.join(f'{number:.3f}' for number in numbers)}}}"


#: Arithmetic on shapes in every place where exporters write it, also on values from within.
ATTENTION = TinyModel(
    f"""
    attend (float[batch,seq,8] x, int64[batch,seq] ids) => (float[batch,seq,8] y, int64[2] size)
      <float[8,8] w = {_numbers(64)}, float[8,8] v = {_numbers(64)},
       float[16,8] places = {_numbers(128)}, int64 zero = {{0}}, int64 one = {{1}},
       int64[2] rest = {{2, 4}}, int64[1] first = {{0}}, float far = {{-10000}}>
    {{ shape = Shape(ids)  batch = Gather(shape, zero)  seq = Gather(shape, one)
      range = Range(zero, seq, one)  place = Gather(places, range)  placed = Add(x, place)
      q = MatMul(placed, w)
      batch1 = Unsqueeze(batch, first)  seq1 = Unsqueeze(seq, first)
      heads = Concat<axis = 0>(batch1, seq1, rest)  split = Reshape(q, heads)
      by_head = Transpose<perm = [0, 2, 1, 3]>(split)
      keys = Transpose<perm = [0, 1, 3, 2]>(by_head)  scores = MatMul(by_head, keys)
      rows = Unsqueeze(range, one)  late = Less(rows, range)  masked = Where(late, far, scores)
      weights = Softmax(masked)  mixed = MatMul(weights, by_head)
      back = Transpose<perm = [0, 2, 1, 3]>(mixed)
      inner = Shape(q)  joined = Reshape(back, inner)  out = MatMul(joined, v)
      y = Relu(out)  size = Identity(shape) }}
    """,
    {"x": (1, 4, 8), "ids": (1, 4)},
)
DYNAMIC = {
    "attention": ATTENTION,
    **{name: MODELS[name] for name in ("shape arithmetic", "symbolic dimensions")},
}
DEVICES = [
    name
    for name in ("cpu.serial", "cpu.parallel", "openvino.f32")
    if name.startswith("cpu") or name in backends.real_devices()
]


def _reference(model: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString())


def _feeds(session: ort.InferenceSession, sizes: Mapping[str | None, int], seed: int = 0) -> Feeds:
    rng = np.random.default_rng(seed)
    feeds = {}
    for port in session.get_inputs():
        shape = [dim if isinstance(dim, int) else sizes[dim] for dim in port.shape]
        numbers = rng.standard_normal(shape)
        feeds[port.name] = numbers.astype(np.int64 if "int64" in port.type else np.float32)
    return feeds


def _sizes(model: TinyModel) -> dict[str | None, int]:
    """Of the symbols, as profiled."""
    sizes: dict[str | None, int] = {None: 3}
    for port in model.proto().graph.input:
        dims = port.type.tensor_type.shape.dim
        for dim, size in zip(dims, model.shapes[port.name], strict=True):
            if dim.dim_param:
                sizes[dim.dim_param] = size
    return sizes


def _assert_equal(session: Session, reference: ort.InferenceSession, feeds: Feeds) -> None:
    expected = reference.run(None, dict(feeds))
    for found, wanted in zip(session.run(None, feeds), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", DYNAMIC)
def test_a_plan_with_nodes_anywhere_runs_at_any_shape(name: str, seed: int) -> None:
    model = DYNAMIC[name].proto()
    reference = _reference(model)
    feeds = _feeds(reference, _sizes(DYNAMIC[name]))
    costs = scattered(seed)
    plan = compile_model(model, devices=DEVICES, costs=costs, feeds=feeds, granularity="op")
    session = Session(plan)
    for batch, seq in ((2, 3), (1, 4), (1, 1), (3, 7), (1, 16)):
        sizes: dict[str | None, int] = {"batch": batch, "seq": seq, None: batch + 1}
        _assert_equal(session, reference, _feeds(reference, sizes))


def _in_memory(batch: int, seq: int) -> Session:
    """The attention with products in memory where they can be, profiled at the given sizes."""
    feeds, devices = _attention_feeds(batch, seq), ["cpu.serial", "pim.hbm"]
    pins = ["*MatMul*=pim.hbm"]
    return Session(compile_model(ATTENTION.proto(), devices=devices, feeds=feeds, pins=pins))


def _attention_feeds(batch: int, seq: int) -> Feeds:
    reference = _reference(ATTENTION.proto())
    return _feeds(reference, {"batch": batch, "seq": seq})


def _zeros(x: tuple[int, ...], ids: tuple[int, ...]) -> Feeds:
    return {"x": np.zeros(x, np.float32), "ids": np.zeros(ids, np.int64)}


def test_modelled_devices_are_estimated_anew_for_every_shape() -> None:
    """As a plan for that very shape has it."""
    feeds = _attention_feeds(2, 12)
    outputs, trace = _in_memory(1, 4).run_with_trace(None, feeds)
    expected, same = _in_memory(2, 12).run_with_trace(None, feeds)
    modelled, wanted = (
        [(e.name, e.track, e.duration_s) for e in run.events if e.basis == "modelled"]
        for run in (trace, same)
    )
    assert modelled == wanted
    assert sum(track == "pim.hbm" and took_s > 0 for _, track, took_s in modelled) >= 2
    np.testing.assert_array_equal(outputs[0], expected[0])


def test_of_the_shapes_that_need_stages_of_their_own_the_latest_are_kept() -> None:
    session = _in_memory(1, 4)
    variant = session.variant(_attention_feeds(1, 4))
    for seq in (5, 6, 7, 8, 9, 10, 11, 12, 13, 5):
        session.run(None, _attention_feeds(1, seq))
    assert [shapes[0][1] for shapes in variant._unprofiled._latest] == [7, 8, 9, 10, 11, 12, 13, 5]


@pytest.fixture(scope="module")
def several() -> Plan:
    shapes = [{"x": (1, size, 8), "ids": (1, size)} for size in (4, 16)]
    return compile_model(ATTENTION.proto(), devices=["cpu.serial"], shapes=shapes)


@pytest.mark.parametrize(
    ("size", "nearest"), [(1, 4), (4, 4), (7, 4), (8, 4), (9, 16), (16, 16), (100, 16)]
)
def test_the_variant_of_the_nearest_shape_runs(several: Plan, size: int, nearest: int) -> None:
    """By ratio: 8 is twice 4 and half of 16, and the first of two wins."""
    session = Session(several)
    variant = session.variant(_zeros((1, size, 8), (1, size)))
    assert variant.shapes == ((1, nearest, 8), (1, nearest))


def test_variants_answer_alike(several: Plan) -> None:
    session = Session(several)
    reference = _reference(ATTENTION.proto())
    for size in (4, 5, 15, 16):
        _assert_equal(session, reference, _attention_feeds(1, size))
    _assert_equal(session, reference, _attention_feeds(3, 2))


def test_each_variant_has_its_own_costs_and_stages_and_they_share_the_weights(
    several: Plan,
) -> None:
    one, other = several.variants
    assert [v.planned.inputs[0].shape for v in (one, other)] == [(1, 4, 8), (1, 16, 8)]
    assert one.costs != other.costs
    assert several.first == one
    assert several.variant({"ids": (1, 16)}) == other
    assert several.variant({}) == one
    assert sum("weights" in name for name in several.archive.names()) == 1
    with pytest.raises(ShapeError, match="not profiled with ids 1x5"):
        several.variant({"ids": (1, 5)})


def test_a_saved_plan_keeps_its_variants(several: Plan, tmp_path: Path) -> None:
    several.save(tmp_path / "x.plan")
    assert [v.planned for v in Plan.load(tmp_path / "x.plan").variants] == [
        v.planned for v in several.variants
    ]


def test_variants_of_the_same_shape_are_refused() -> None:
    shapes: list[dict[str, tuple[int, ...]]] = [{"x": (1, 4, 8)}, {"ids": (1, 4)}]
    with pytest.raises(ShapeError, match="two variants have the same shapes"):
        compile_model(ATTENTION.proto(), devices=["cpu.serial"], shapes=shapes)


def test_one_cost_table_for_several_shapes_is_refused() -> None:
    model = ATTENTION.proto()
    expanded = expand(load_program(model, feeds=_attention_feeds(1, 4)), ["cpu.serial"], "cluster")
    shapes = [{"x": (1, 4, 8)}, {"x": (1, 5, 8)}]
    with pytest.raises(UsageError, match="a cost table is for one shape"):
        compile_model(model, costs=unmeasured(expanded), shapes=shapes)


@pytest.mark.parametrize(
    ("x", "ids", "message"),
    [
        ((1, 4, 9), (1, 4), "input x: has shape 1x4x9; the plan takes batchxseqx8"),
        ((4, 8), (1, 4), "input x: has shape 4x8; the plan takes batchxseqx8"),
        ((1, 4, 8), (1, 5), "input ids: has seq = 5 in its shape 1x5, and x 4"),
        ((1, 4, 8), (2, 4), "input ids: has batch = 2 in its shape 2x4, and x 1"),
    ],
)
def test_what_the_model_does_not_admit_is_refused(
    several: Plan, x: tuple[int, ...], ids: tuple[int, ...], message: str
) -> None:
    feeds = _zeros(x, ids)
    with pytest.raises(FeedError, match=message):
        Session(several).run(None, feeds)


def test_a_shape_that_only_the_engine_refuses_is_told_as_such(several: Plan) -> None:
    """The table of places ends at 16."""
    feeds = _zeros((1, 17, 8), (1, 17))
    with pytest.raises(EngineError, match="with x 1x17x8, ids 1x17") as caught:
        Session(several).run(None, feeds)
    assert "profiled at x 1x16x8, ids 1x16" in caught.value.fix


def test_a_shape_that_the_model_itself_refuses_is_told_as_such() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 20]>
        g (float[2,3] x, float[n,3] y) => (float[m,3] z) { z = Add (x, y) }"""
    )
    feeds = {"x": np.ones((2, 3), np.float32), "y": np.ones((2, 3), np.float32)}
    session = Session(compile_model(model, devices=["cpu.serial"], feeds=feeds))
    with pytest.raises(EngineError, match="with x 2x3, y 5x3: ONNX Runtime refuses it"):
        session.run(None, {**feeds, "y": np.ones((5, 3), np.float32)})


def test_a_trace_of_another_shape_is_not_compared_with_the_plans_figures(several: Plan) -> None:
    session = Session(several)
    table = read_costs(several.first.costs)
    _, trace = session.run_with_trace(None, _attention_feeds(1, 4))
    assert build_report(several.first.planned, table, trace).summary.observed is not None
    for size in (5, 16):
        _, trace = session.run_with_trace(None, _attention_feeds(1, size))
        with pytest.raises(TraceError, match=f"it ran with x 1x{size}x8, ids 1x{size}"):
            build_report(several.first.planned, table, trace)


def test_a_model_without_open_dimensions_takes_one_shape() -> None:
    plan = compile_model(MODELS["residual"].proto(), devices=["cpu.serial"])
    assert "model.onnx" not in plan.archive.names()
    with pytest.raises(FeedError, match="has shape 3x4; the plan takes 2x4"):
        Session(plan).run(None, {"x": np.zeros((3, 4), np.float32)})


def test_threads_may_bring_shapes_of_their_own(several: Plan) -> None:
    session = Session(several)
    reference = _reference(ATTENTION.proto())
    with ThreadPoolExecutor(4) as threads:
        runs = [
            threads.submit(
                _assert_equal, session, reference, _attention_feeds(1 + n % 2, 2 + n % 9)
            )
            for n in range(40)
        ]
        for run in runs:
            run.result()


@pytest.mark.skipif("openvino.f32" not in DEVICES, reason="OpenVINO is not installed")
def test_sizes_that_depend_on_data_may_change_from_run_to_run() -> None:
    """OpenVINO takes part after the operator whose result has them."""
    model = TinyModel("""
        found (float[2,3] x) => (float[n] y)
        { where = NonZero(x)  at = Transpose(where)  found = GatherND(x, at)
          bent = Sigmoid(found)  y = Mul(bent, found) }
    """).proto()
    devices = ["openvino.f32", "cpu.serial"]
    plan = compile_model(model, devices=devices, costs=unmeasured)
    session, reference = Session(plan), _reference(model)
    assert "openvino.f32" in session.get_providers()
    for zeros in (0, 1, 4):
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        x[x < zeros] = 0
        _assert_equal(session, reference, {"x": x})
