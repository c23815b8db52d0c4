"""Decoders of the zoo, from torch to tokens: equal to torch with a cache of its own.

Exported once; the same model runs on each real device, scattered over two, and through a fork and
a truncation.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stagecut.compiler import compile_model
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.models.architectures import ZooModel
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.session import DecoderSession
from tests.support.decoders import decoder_plan, tiny_decoder
from tests.support.spread_out import CAPACITY, spread_out_decoder

PROMPT = (5, 17, 99, 42, 7)
COUNT = 70
OPTIONS = DecodingOptions(prompt=5)


@pytest.fixture(scope="module", params=["tiny-gpt2", "tiny-llama"])
def case(request: pytest.FixtureRequest, exports: Path) -> tuple[Imported, list[int]]:
    """The imported model, and torch's greedy tokens."""
    model, imported = spread_out_decoder(request.param, exports)
    return imported, _greedy(model)


def _greedy(model: ZooModel) -> list[int]:
    """With transformers' own DynamicCache, token by token."""
    module: Any = model.module
    tokens: list[int] = []
    new, cache = torch.tensor([PROMPT]), None
    with torch.no_grad():
        for _ in range(COUNT):
            found = module.model(input_ids=new, past_key_values=cache, use_cache=True)
            cache, logits = found.past_key_values, found.logits
            best: Tensor = logits[0, -1].argmax()
            tokens.append(int(best))
            new = best.reshape(1, 1)
    return tokens


def test_the_tokens_say_something(case: tuple[Imported, list[int]]) -> None:
    assert len(set(case[1])) > 8


@pytest.mark.parametrize(
    "devices",
    [["cpu.serial"], ["cpu.parallel"], ["openvino.f32"], ["cpu.serial", "cpu.parallel"]],
    ids=["cpu.serial", "cpu.parallel", "openvino.f32", "scattered"],
)
def test_greedy_tokens(case: tuple[Imported, list[int]], devices: list[str]) -> None:
    if any(device.startswith("openvino") for device in devices):
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    imported, expected = case
    plan = decoder_plan(imported, devices, seed=3, decoding=OPTIONS)
    assert plan.decoding is not None
    assert plan.decoding.capacity == CAPACITY
    for variant in plan.variants:
        assert len({stage.device for stage in variant.planned.schedule.stages}) == len(devices)
    assert [*Generator(plan)(PROMPT, max_new=COUNT).tokens] == expected


def test_through_fork_and_truncation(case: tuple[Imported, list[int]]) -> None:
    imported, expected = case
    session = DecoderSession(decoder_plan(imported, decoding=OPTIONS))
    with session.sequence() as sequence:
        [logits] = sequence.run("prefill", {"input_ids": np.array([PROMPT])})
        with sequence.fork() as fork:
            for wrong in (1, 2, 3):
                fork.run("decode", {"input_ids": np.array([[wrong]])})
            fork.truncate(len(PROMPT))
            found = [int(logits[0, -1].argmax())]
            while len(found) < COUNT:
                which = sequence if len(found) % 2 else fork
                [logits] = which.run("decode", {"input_ids": np.array([[found[-1]]])})
                other = fork if which is sequence else sequence
                other.run("decode", {"input_ids": np.array([[found[-1]]])})
                found.append(int(logits[0, -1].argmax()))
    assert found == expected


def _cheap_on(device: str, expanded: ExpandedGraph) -> CostTable:
    """Costs by which every node that can runs on the device."""
    return synthetic_costs(expanded, lambda devices: device if device in devices else devices[0])


def _on(prefill: str, decode: str) -> DecoderSession:
    """Everything of the entries on these devices."""
    chosen = {"prefill": prefill, "decode": decode}
    plan = compile_model(
        tiny_decoder(),
        devices=[*dict.fromkeys(chosen.values())],
        costs={name: partial(_cheap_on, device) for name, device in chosen.items()},
        tolerance=0.9,
        decoding=DecodingOptions(prompt=5, capacity=32),
    )
    for name, entry in plan.document.entries.items():
        assert chosen[name] in {each.device for each in entry.variants[0].schedule.stages}
    return DecoderSession(plan)


@pytest.mark.parametrize("few", ["cpu.int8.serial", "openvino.int8.serial"])
def test_the_prompt_in_full_precision_and_tokens_in_few_bits(few: str) -> None:
    """One plan: each entry has devices of its own, and the cache goes from one to the other."""
    if few.startswith("openvino"):
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    mixed, exact = _on("cpu.serial", few), _on("cpu.serial", "cpu.serial")
    with mixed.sequence() as ours, exact.sequence() as theirs:
        prompt = {"input_ids": np.array([PROMPT]) % 23}
        found, right = (each.run("prefill", prompt)[0] for each in (ours, theirs))
        np.testing.assert_array_equal(found, right)
        for token in (3, 1, 4):
            given = {"input_ids": np.array([[token]])}
            found, right = (each.run("decode", given)[0] for each in (ours, theirs))
            assert 1e-6 < np.linalg.norm(found - right) / np.linalg.norm(right) < 0.2
