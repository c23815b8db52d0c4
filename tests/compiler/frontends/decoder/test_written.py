"""Caches that a torch program writes in place become states: those of a module of our own, and
transformers' StaticCache, whose tokens are torch's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from stagecut import models
from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.entries import entries_of
from stagecut.compiler.frontends.decoder.written import written_states
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.torch_export import from_live, from_program
from stagecut.compiler.ir.errors import ModelError, UsageError
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.session import DecoderSession
from tests.support.scattered import scattered

ROOM, WORDS, WIDTH = 20, 23, 8
PROMPT = (5, 17, 9)
LLAMAS = (5, 17, 99, 42, 7)


class Written(nn.Module):
    """Scores by all tokens up to each; `skip` writes its rows elsewhere, and `counts` changes
    something else besides."""

    def __init__(self, *, skip: int = 0, counts: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WORDS)
        self.register_buffer("cache", torch.zeros(1, 1, ROOM, WIDTH))
        self.register_buffer("runs", torch.zeros((), dtype=torch.int64))
        self._skip, self._counts = skip, counts

    def forward(self, input_ids: Tensor, cache_position: Tensor) -> Tensor:
        rows = self.embed(input_ids)[:, None]
        cache: Any = self.cache
        cache.index_copy_(2, cache_position + self._skip, rows)
        if self._counts:
            self.runs.add_(1)  # type: ignore[operator]
        seen = torch.arange(ROOM)[None, :] <= cache_position[:, None]
        shares = torch.softmax(
            torch.where(seen, (rows @ cache.transpose(2, 3))[:, 0], torch.tensor(-1e9)), -1
        )
        scores: Tensor = self.head(shares @ cache[:, 0])
        return scores


def _imported(module: nn.Module) -> Imported:
    inputs = {"input_ids": torch.tensor([[3, 4]]), "cache_position": torch.arange(2)}
    dims = {"input_ids": {1: Dim.AUTO}, "cache_position": {0: Dim.AUTO}}
    with torch.no_grad():
        program = torch.export.export(module.eval(), (), inputs, dynamic_shapes=dims, strict=True)
    return from_program(program, name="written", source="written")


@pytest.fixture(scope="module")
def imported() -> Imported:
    return _imported(Written())


@pytest.fixture(scope="module")
def session(imported: Imported) -> DecoderSession:
    both = ["cpu.serial", "cpu.parallel"]
    return DecoderSession(compile_model(imported, devices=both, costs=scattered(1)))


def _greedy(tokens: Sequence[int], count: int) -> list[int]:
    """All tokens anew each time, in a cache of zeros."""
    found = [*tokens]
    with torch.no_grad():
        for _ in range(count):
            scores = Written()(torch.tensor([found]), torch.arange(len(found)))
            found.append(int(scores[0, -1].argmax()))
    return found[len(tokens) :]


def test_one_state_with_room_for_what_the_buffer_holds(session: DecoderSession) -> None:
    [state] = session.decoding.states
    assert (state.past, state.present, state.row) == ("cache", "cache_after", (1, 1, WIDTH))
    assert state.whole
    assert session.capacity == ROOM
    assert session.outputs == [session.decoding.logits]
    with session.sequence() as sequence:
        assert sequence.memory_bytes == ROOM * WIDTH * 4


def test_tokens_are_torchs(session: DecoderSession) -> None:
    expected = _greedy(PROMPT, ROOM - len(PROMPT) + 1)
    assert len({*expected}) > 3
    assert [*Generator(session)(PROMPT, max_new=len(expected)).tokens] == expected


def test_through_fork_and_truncation(session: DecoderSession) -> None:
    """What was written behind the end counts no more, in whichever buffer it is."""
    expected = _greedy(PROMPT, 8)
    with session.sequence() as sequence:
        [scores] = sequence.run("prefill", {"input_ids": np.array([PROMPT])})
        with sequence.fork() as fork:
            for wrong in (1, 2, 3):
                fork.run("decode", {"input_ids": np.array([[wrong]])})
            fork.truncate(len(PROMPT))
            found = [int(scores[0, -1].argmax())]
            while len(found) < len(expected):
                [scores] = fork.run("decode", {"input_ids": np.array([[found[-1]]])})
                [same] = sequence.run("decode", {"input_ids": np.array([[found[-1]]])})
                np.testing.assert_array_equal(scores, same)
                found.append(int(scores[0, -1].argmax()))
    assert found == expected


def test_nobody_is_warned_of_what_a_plan_keeps(imported: Imported) -> None:
    said: list[str] = []
    settings = Settings(warn=said.append)
    compile_model(imported, devices=["cpu.serial"], costs=scattered(1), settings=settings)
    assert not said


def test_another_capacity_than_that_of_the_buffer(imported: Imported) -> None:
    with pytest.raises(UsageError, match="its cache is made for 20 tokens, and 30 are asked for"):
        entries_of(imported, [{}], None, DecodingOptions(capacity=30))


@pytest.mark.parametrize("module", [Written(skip=1), Written(counts=True)], ids=["skip", "counts"])
def test_what_is_no_cache_stays_an_ordinary_model(module: Written) -> None:
    """Rows that are not written at their positions, and numbers that are no positions."""
    imported = _imported(module)
    assert written_states(imported) == ()
    [entry], decoding = entries_of(imported, [{}], None, DecodingOptions())
    assert (entry.name, decoding) == ("main", None)


class Aliased(Written):
    """Its cache is an attribute of something else as well, by which it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._held = [self.cache]

    def forward(self, input_ids: Tensor, cache_position: Tensor) -> Tensor:
        cache: Any = self._held[0]
        rows = self.embed(input_ids)[:, None]
        cache.view(1, 1, ROOM, WIDTH).index_copy_(2, cache_position, rows)
        scores: Tensor = self.head(cache.sum(2)[:, 0])
        return scores


def test_a_cache_that_torch_takes_for_a_constant() -> None:
    """As it does with transformers' caches, unless it is told to be strict."""
    inputs = {"input_ids": torch.tensor([[3, 4]]), "cache_position": torch.arange(2)}
    with pytest.raises(ModelError, match="takes for constants") as caught:
        from_live(Aliased(), inputs, source="aliased")
    assert "strict=True" in caught.value.fix


def test_a_copy_of_a_constant_may_be_written() -> None:
    class Copied(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.tensor([1.0, 2.0]).mul_(2)

    assert from_live(Copied(), torch.zeros(2), source="copied").changes == ()


def test_a_static_cache_of_transformers() -> None:
    from transformers.integrations.executorch import TorchExportableModuleWithStaticCache

    llama: Any = models.build("tiny-llama").module
    model = llama.model
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2 and weight is not model.get_input_embeddings().weight:
                weight.mul_(10)
    model.generation_config.cache_implementation = "static"
    static = TorchExportableModuleWithStaticCache(model, batch_size=1, max_cache_len=40)
    plan = compile_model(_imported(static), devices=["cpu.serial"], costs=scattered(1))
    assert plan.decoding is not None
    assert (len(plan.decoding.states), plan.decoding.capacity) == (4, 40)
    tokens: list[int] = []
    new, cache = torch.tensor([LLAMAS]), None
    with torch.no_grad():
        for _ in range(36):
            found = model(input_ids=new, past_key_values=cache, use_cache=True)
            cache = found.past_key_values
            tokens.append(int(found.logits[0, -1].argmax()))
            new = torch.tensor([tokens[-1:]])
    assert len({*tokens}) > 8
    assert [*Generator(plan)(LLAMAS, max_new=36).tokens] == tokens
