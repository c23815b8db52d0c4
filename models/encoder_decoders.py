"""Encoder-decoders: an encoder that runs once, and a decoder with a cache that reads what it says.

input_features [1, mels, frames]  >  last_hidden_state [1, frames / 2, hidden]
input_ids [1, n], position_ids [1, n], encoder_hidden_states, past_key_values.0.key ...
                                  >  logits [1, n, vocabulary], present.0.key ...
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, WhisperForConditionalGeneration

from stagecut.models.decoders import (
    NEW,
    OPEN_STATES,
    OPEN_TOKENS,
    cache_names,
    cache_of,
    cached_states,
    states_of,
)

#: What the parts are called with, in order; what the encoder says stands behind the others.
ENCODER_INPUTS = ("input_features",)
DECODER_INPUTS = ("input_ids", "position_ids")
HIDDEN = "encoder_hidden_states"


class SpeechEncoder(nn.Module):
    """Sound as a spectrogram to hidden states."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.encoder = model.get_encoder()

    def forward(self, input_features: Tensor) -> Tensor:
        hidden: Tensor = self.encoder(input_features).last_hidden_state
        return hidden


class SpokenDecoder(nn.Module):
    """Tokens, what the encoder says, and keys and values of earlier tokens, to scores of the next
    token and the keys and values of all. Those of what the encoder says are computed here each
    time, of nothing else."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.decoder = model.get_decoder()
        self.head = model.get_output_embeddings()

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        encoder_hidden_states: Tensor,
        past: list[Tensor],
    ) -> tuple[Tensor, ...]:
        own = cache_of(past)
        found = self.decoder(
            input_ids=input_ids,
            position_ids=position_ids,
            encoder_hidden_states=encoder_hidden_states,
            past_key_values=EncoderDecoderCache(own, DynamicCache()),
            use_cache=True,
        )
        return self.head(found.last_hidden_state), *states_of(own)


class EncoderDecoder(nn.Module):
    """Both, one behind the other; `past` are a key and a value of each layer, by the names of
    `spoken_inputs`."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.model = model
        self.encoder, self.decoder = SpeechEncoder(model), SpokenDecoder(model)

    @property
    def presents(self) -> tuple[str, ...]:
        """The names of its outputs but the first."""
        return cache_names("present", self.model.config.decoder_layers)

    def forward(
        self, input_features: Tensor, input_ids: Tensor, position_ids: Tensor, **past: Tensor
    ) -> tuple[Tensor, ...]:
        hidden = self.encoder(input_features)
        found: tuple[Tensor, ...] = self.decoder(input_ids, position_ids, hidden, [*past.values()])
        return found


def spoken_inputs(model: WhisperForConditionalGeneration, room: int) -> dict[str, Tensor]:
    """Sample inputs: sound, and a sequence of `room` tokens about it, the last two of which are
    new."""
    config, past = model.config, room - NEW
    heads = config.decoder_attention_heads
    frames = 2 * config.max_source_positions
    return {
        "input_features": torch.randn(1, config.num_mel_bins, frames),
        "input_ids": torch.randint(0, config.vocab_size, (1, NEW)),
        "position_ids": torch.arange(past, room)[None],
        **cached_states(config.decoder_layers, heads, past, config.d_model // heads),
    }


def export_parts(
    module: EncoderDecoder, inputs: Mapping[str, Tensor]
) -> tuple[torch.export.ExportedProgram, torch.export.ExportedProgram]:
    """The encoder, and the decoder, in which it is open how many tokens are new, and how many were
    before."""
    sound = tuple(inputs[name] for name in ENCODER_INPUTS)
    with torch.no_grad():
        hidden = module.encoder(*sound)
    plain = [inputs[name] for name in DECODER_INPUTS]
    past = [each for name, each in inputs.items() if name.startswith("past")]
    decoder = torch.export.export(
        module.decoder.eval(),
        (*plain, hidden, past),
        dynamic_shapes=(*(OPEN_TOKENS for _ in plain), {}, [OPEN_STATES for _ in past]),
    )
    return torch.export.export(module.encoder.eval(), sound), decoder
