"""Sessions of decoders: on each device, scattered over several, and what is no decoder."""

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.formats.weights import FILE_NAME
from stagecut.compiler.ir.errors import PlanError
from stagecut.runtime import Session
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.session import DecoderSession
from tests.support.decoders import PROMPT, PlainLoop, decoder_plan, tiny_decoder
from tests.support.onnx_models import MODELS

EXPECTED = PlainLoop(tiny_decoder()).greedy(PROMPT, 64)


@pytest.mark.parametrize("device", ["cpu.serial", "cpu.parallel", "openvino.f32.serial"])
def test_each_device(device: str) -> None:
    if device.startswith("openvino"):
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    found = Generator(decoder_plan(tiny_decoder(), [device]))(PROMPT, max_new=64)
    assert [*found.tokens] == EXPECTED


@pytest.mark.parametrize("seed", range(2))
def test_scattered_over_real_devices(seed: int) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    devices = ["cpu.serial", "openvino.f32.serial"]
    plan = decoder_plan(tiny_decoder(), devices, seed=seed, granularity="op")
    stages = [len(variant.planned.stages) for variant in plan.variants]
    assert min(stages) > 2
    assert [*Generator(plan)(PROMPT, max_new=64).tokens] == EXPECTED


def test_beside_a_modelled_device() -> None:
    """Its stages are cut for each length, as a model of a device gives costs for one."""
    plan = decoder_plan(tiny_decoder(), ["cpu.serial", "null"], seed=1, granularity="op")
    found = Generator(plan)(PROMPT, max_new=6)
    assert [*found.tokens] == EXPECTED[:6]


@pytest.mark.parametrize("seed", range(2))
def test_a_state_in_a_devices_memory(seed: int) -> None:
    """It stays there: what is transferred in a step is of its token, however many came before."""
    devices = ["cpu.serial", "manycore.snitch16:precision=fp32"]
    plan = decoder_plan(tiny_decoder(), devices, seed=seed)
    homes = plan.entry_named("decode").variants[0].planned.run.homes
    session = DecoderSession(plan)
    kept = [state for state in session.decoding.states if state.past in homes]
    assert "past_key_values.0.value" in {state.past for state in kept}
    assert homes.keys() == {name for state in kept for name in (state.past, state.present)}
    said = list[int]()
    with session.sequence() as sequence:
        sequence.run("prefill", {"input_ids": np.asarray([PROMPT])})
        for token in EXPECTED[:4]:
            [scores] = sequence.run("decode", {"input_ids": np.asarray([[token]])})
            said.append(int(scores[0, -1].argmax()))
        with sequence.fork() as other:
            other.truncate(len(PROMPT))
            [scores] = other.run("decode", {"input_ids": np.asarray([EXPECTED[:4]])})
            assert [*scores[0].argmax(axis=-1)] == EXPECTED[1:5]
    assert said == EXPECTED[1:5]
    moved = {step.value for step in session.entries["decode"].schedule.transfers}
    assert moved.isdisjoint(state.past for state in kept)


def test_a_plan_from_a_file_with_its_weights_once(tmp_path: Path) -> None:
    plan = decoder_plan(tiny_decoder())
    large = [tensor for tensor in tiny_decoder().graph.initializer if len(tensor.raw_data) >= 1024]
    size_bytes = sum(len(tensor.raw_data) for tensor in large)
    assert size_bytes <= plan.archive.size(FILE_NAME) < size_bytes + 64 * len(large)
    plan.save(tmp_path / "decoder.plan")
    session = DecoderSession(tmp_path / "decoder.plan")
    assert (session.capacity, session.outputs) == (90, ["logits"])
    assert [*Generator(session)(PROMPT, max_new=64).tokens] == EXPECTED


def test_nothing_grows() -> None:
    """Hundreds of tokens later, Python holds what it held."""
    session = DecoderSession(decoder_plan(tiny_decoder()))
    feeds = {"input_ids": np.array([[1]])}
    with session.sequence() as sequence:
        sequence.run("prefill", feeds)

        def steps(count: int) -> None:
            for _ in range(count):
                sequence.run("decode", feeds)
                if sequence.length == session.capacity:
                    sequence.truncate(1)

        steps(200)
        gc.collect()
        tracemalloc.start()
        try:
            steps(100)
            before = tracemalloc.get_traced_memory()[0]
            steps(400)
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] - before < 20_000
        finally:
            tracemalloc.stop()


def test_a_plan_that_is_no_decoder() -> None:
    plan = compile_model(MODELS["chain"].proto(), devices=["cpu.serial"])
    with pytest.raises(PlanError, match="has no entry decode") as caught:
        DecoderSession(plan)
    assert "past_key_values" in caught.value.fix
    with pytest.raises(PlanError, match="has no entry 'decode'; it has main"):
        Session(plan, entry="decode")


def test_a_decoder_in_an_ordinary_session() -> None:
    plan = decoder_plan(tiny_decoder())
    with pytest.raises(PlanError, match="has no entry 'main'; it has prefill, decode"):
        Session(plan)
    inputs = [port.name for port in Session(plan, entry="prefill").get_inputs()]
    assert inputs == ["input_ids", "attention_mask", "position_ids"]
