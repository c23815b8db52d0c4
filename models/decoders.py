"""Decoders with a cache: the keys and values of earlier tokens come in, those of all go out.

input_ids [rows, n]    past_key_values.0.key [rows, heads, past, size]  ...
logits [rows, n, vocabulary]    present.0.key [rows, heads, past + n, size]  ...
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedConfig, PreTrainedModel

#: New tokens of the sample inputs: torch takes a size of 1 for one that never changes.
NEW = 2

#: Which dimension is open of what comes in for each new token, and of states.
OPEN_TOKENS, OPEN_STATES = {1: torch.export.Dim.AUTO}, {2: torch.export.Dim.AUTO}


class CachedDecoder(nn.Module):
    """A causal language model of transformers: `past` are a key and a value of each layer, by the
    names of `cached_inputs`."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    @property
    def presents(self) -> tuple[str, ...]:
        """The names of its outputs but the first."""
        return cache_names("present", self.model.config.num_hidden_layers)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, **past: Tensor
    ) -> tuple[Tensor, ...]:
        found = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache_of([*past.values()]),
            use_cache=True,
        )
        return found.logits, *states_of(found.past_key_values)


def cache_of(past: Sequence[Tensor]) -> DynamicCache:
    """Of a key and a value of each layer."""
    cache = DynamicCache()
    for layer, (key, value) in enumerate(zip(past[::2], past[1::2], strict=True)):
        cache.update(key, value, layer)
    return cache


def states_of(cache: DynamicCache) -> Iterator[Tensor]:
    """A key and a value of each layer."""
    return (each for layer in cache.layers for each in (layer.keys, layer.values))


def cache_names(prefix: str, layers: int) -> tuple[str, ...]:
    return tuple(f"{prefix}.{at}.{part}" for at in range(layers) for part in ("key", "value"))


def cached_states(
    layers: int, heads: int, past: int, size: int, rows: int = 1
) -> dict[str, Tensor]:
    """Samples of `past` tokens of so many sequences, by the names of inputs."""
    names = cache_names("past_key_values", layers)
    return {name: torch.randn(rows, heads, past, size) for name in names}


def cached_inputs(config: PreTrainedConfig, ids: Tensor, room: int) -> dict[str, Tensor]:
    """Sample inputs of sequences of `room` tokens, the rows of `ids`; the last two are new."""
    past, rows = room - NEW, len(ids)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return {
        "input_ids": ids[:, :NEW].clone(),  # torch.export would say something of the whole, too
        "attention_mask": torch.ones(rows, room, dtype=torch.int64),
        "position_ids": torch.arange(past, room).repeat(rows, 1),
        **cached_states(config.num_hidden_layers, heads, past, size, rows),
    }


class _Listed(nn.Module):
    """The same with the cache as one argument, as torch.export can be told of its dimensions."""

    def __init__(self, decoder: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.decoder = decoder
        self.names = names

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, past: list[Tensor]
    ) -> tuple[Tensor, ...]:
        named = dict(zip(self.names, past, strict=True))
        found: tuple[Tensor, ...] = self.decoder(input_ids, attention_mask, position_ids, **named)
        return found


def export(module: nn.Module, inputs: Mapping[str, Tensor]) -> torch.export.ExportedProgram:
    """A `CachedDecoder` in which it is open how many tokens are new, and how many were before."""
    names = [name for name in inputs if name.startswith("past")]
    plain = [each for name, each in inputs.items() if name not in names]
    arguments = (*plain, [inputs[name] for name in names])
    return torch.export.export(
        _Listed(module, names).eval(),
        arguments,
        dynamic_shapes=(*(OPEN_TOKENS for _ in plain), [OPEN_STATES for _ in names]),
    )
