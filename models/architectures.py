"""Build the zoo's modules and their sample inputs: the leaf of the zoo that imports torch.

Weights are random but seeded, and drawn first, so every build of a model is the same whatever its
parameters; the caller's random state is left as it was. Attention is transformers' plain version
("eager"): the others compute the same, but reach ONNX with a guard against empty rows behind
every softmax.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import transformers
from torch import Tensor, nn

from stagecut.models.decoders import CachedDecoder, cached_inputs
from stagecut.models.encoder_decoders import EncoderDecoder, spoken_inputs
from stagecut.models.entry import Entry, Family, Sizes
from stagecut.models.minilm import SentenceEncoder
from stagecut.models.whisper import load_whisper

Built: TypeAlias = tuple[nn.Module, dict[str, Tensor]]

_SEED = 0
_BIAS_SPREAD = 0.02
#: The ids below it are special tokens in one model or another, RoBERTa's padding among them.
_FIRST_WORD_ID = 4
_SENTENCE = "The quick brown fox jumps over the lazy dog."


@dataclass(frozen=True, slots=True)
class ZooModel:
    """A module in eval mode, and one sample input for each argument of its `forward`, in order.

    The module returns a tensor, or a tuple of them; `outputs` names them.
    """

    name: str
    description: str
    module: nn.Module
    example_inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]


class Encoder(nn.Module):
    """BERT, RoBERTa: integers (batch, seq) to hidden states (batch, seq, hidden) and a pooled one.

    `attention_mask` is 1 for a token and 0 for padding; the pooled output is (batch, hidden).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        found = self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        )
        return found.last_hidden_state, found.pooler_output


class Decoder(nn.Module):
    """GPT-2: integers (batch, seq) to logits (batch, seq, vocabulary), without a cache."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=False
        ).logits
        return logits


class Classifier(nn.Module):
    """ViT, ResNet, MobileNet: pixels (batch, 3, height, width) to logits (batch, labels)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values=pixel_values).logits
        return logits


class Vgg(nn.Module):
    """Blocks of 3x3 convolutions with ReLU, then three linear layers: pixels (batch, 3, side, side)
    to logits (batch, labels).

    Configuration D of Simonyan and Zisserman (ICLR 2015) with its own sizes. `blocks` are channels
    and convolutions of each block, whose pooling halves both sides of the image.
    """

    def __init__(self, blocks: Sequence[int], hidden: int, labels: int, image_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side = 3, image_size
        for wider, count in zip(blocks[::2], blocks[1::2], strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(channels, wider, 3, padding=1), nn.ReLU()]
                channels = wider
            layers.append(nn.MaxPool2d(2))
            side //= 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * side * side, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, labels),
        )

    def forward(self, pixel_values: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(pixel_values))
        return logits


class Mlp(nn.Module):
    """Three linear layers with ReLU between them: (batch, features) to (batch, classes)."""

    def __init__(self, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers(features)
        return logits


def assemble(entry: Entry, settings: Mapping[str, int]) -> ZooModel:
    """Build `entry`; `settings` has a number for each of its parameters."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_SEED)
        repeats = {"repeats": entry.repeats} if entry.repeats > 1 else {}
        module, inputs = _FAMILIES[entry.family](entry.sizes, **repeats, **settings)
    outputs = entry.outputs
    if isinstance(module, CachedDecoder | EncoderDecoder):
        outputs = (*outputs, *module.presents)
    return ZooModel(entry.name, entry.description, module.eval(), inputs, outputs)


def _bert(sizes: Sizes, *, batch: int, seq: int) -> Built:
    config = transformers.BertConfig(**sizes, attn_implementation="eager")
    model = _with_biases(transformers.BertModel(config))
    second_sentence = torch.zeros(batch, seq, dtype=torch.int64)
    second_sentence[:, seq // 2 :] = 1
    inputs = _tokens(config.vocab_size, batch, seq)
    return Encoder(model), {**inputs, "token_type_ids": second_sentence}


def _roberta(sizes: Sizes, *, batch: int, seq: int) -> Built:
    config = transformers.RobertaConfig(**sizes, attn_implementation="eager")
    model = _with_biases(transformers.RobertaModel(config))
    return Encoder(model), _tokens(config.vocab_size, batch, seq)


def _gpt2(sizes: Sizes, **settings: int) -> Built:
    config = transformers.GPT2Config(**sizes, attn_implementation="eager")
    return _decoder(transformers.GPT2LMHeadModel(config), **settings)


def _gptj(sizes: Sizes, **settings: int) -> Built:
    config = transformers.GPTJConfig(**sizes, attn_implementation="eager")
    model = transformers.GPTJForCausalLM(config)
    untranspose(model.transformer.h)
    return _decoder(model, **settings)


def _decoder(model: Any, *, batch: int = 1, seq: int = 0, past: int = 0, repeats: int = 1) -> Built:
    """Of those whose blocks are `transformer.h`; with a cache where `past` is given."""
    _with_biases(model)
    repeat_blocks(model.transformer.h, repeats)
    model.config.n_layer = len(model.transformer.h)
    if past:
        return _cached(model, past)
    return Decoder(model), _tokens(model.config.vocab_size, batch, seq)


class Product(nn.Module):
    """A Linear whose weight lies as ONNX multiplies by it: [inputs, outputs].

    Exporters transpose a Linear's weight wherever it is used, so that shared ones are stored anew.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.T.contiguous())
        bias: nn.Parameter | None = linear.bias
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        product = x @ self.weight
        return product if self.bias is None else product + self.bias


def untranspose(module: nn.Module) -> None:
    """Make every Linear in `module` a Product, one after the other: two never take memory."""
    for name, part in [*module.named_modules()]:
        if isinstance(part, nn.Linear):
            module.set_submodule(name, Product(part))


def repeat_blocks(blocks: nn.ModuleList, repeats: int) -> None:
    """Append copies of `blocks` that share their weights and buffers; each block of transformers
    knows its place, where the cache keeps its states."""
    shared = {id(tensor): tensor for tensor in (*blocks.parameters(), *blocks.buffers())}
    for block in [*blocks] * (repeats - 1):
        blocks.append(copy.deepcopy(block, dict(shared)))
    for place, block in enumerate(blocks):
        for part in block.modules():
            if hasattr(part, "layer_idx"):
                setattr(part, "layer_idx", place)  # noqa: B010  # no Module says that it has one


def _llama(sizes: Sizes, *, past: int, sequences: int) -> Built:
    config = transformers.LlamaConfig(**sizes, attn_implementation="eager")
    return _cached(_with_biases(transformers.LlamaForCausalLM(config)), past, sequences)


def _cached(model: transformers.PreTrainedModel, past: int, sequences: int = 1) -> Built:
    config = model.config
    ids = _tokens(config.vocab_size, sequences, past)["input_ids"]
    return CachedDecoder(model), cached_inputs(config, ids, past)


def _whisper(sizes: Sizes, *, past: int) -> Built:
    config = transformers.WhisperConfig(**sizes, attn_implementation="eager")
    model = _with_biases(transformers.WhisperForConditionalGeneration(config))
    return EncoderDecoder(model), spoken_inputs(model, past)


def _whisper_en(_: Sizes, *, past: int) -> Built:
    model = load_whisper()
    return EncoderDecoder(model), spoken_inputs(model, past)


def _vit(sizes: Sizes, *, batch: int) -> Built:
    config = transformers.ViTConfig(**sizes, attn_implementation="eager")
    model = _with_biases(transformers.ViTForImageClassification(config))
    return Classifier(model), _pixels(batch, config.image_size)


def _resnet(sizes: Sizes, *, batch: int) -> Built:
    config = transformers.ResNetConfig(**sizes)
    model = _with_biases(transformers.ResNetForImageClassification(config))
    return Classifier(model), _pixels(batch, config.image_size)


def _mobilenet(sizes: Sizes, *, batch: int) -> Built:
    config = transformers.MobileNetV2Config(**sizes)
    model = _with_biases(transformers.MobileNetV2ForImageClassification(config))
    return Classifier(model), _pixels(batch, config.image_size)


def _vgg(sizes: Mapping[str, Any], *, batch: int) -> Built:
    return _with_biases(Vgg(**sizes)), _pixels(batch, sizes["image_size"])


def _mlp(sizes: Mapping[str, int], *, batch: int) -> Built:
    return _with_biases(Mlp(**sizes)), {"features": torch.randn(batch, sizes["features"])}


def _minilm(_: Sizes, *, seq: int) -> Built:
    encoder = SentenceEncoder.load()
    (feeds,) = encoder.encode([_SENTENCE], seq)
    return encoder.module, {name: torch.from_numpy(array) for name, array in feeds.items()}


def _with_biases(module: nn.Module) -> nn.Module:
    """Shift every bias and scale: transformers starts them at 0 and 1, where none would be missed.

    Changes `module` and returns it.
    """
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim == 1:
                weight.add_(torch.randn_like(weight), alpha=_BIAS_SPREAD)
    return module


def _tokens(vocabulary: int, batch: int, seq: int) -> dict[str, Tensor]:
    """Random words; the last quarter is padding, so that a model that ignores its mask shows."""
    attention_mask = torch.ones(batch, seq, dtype=torch.int64)
    attention_mask[:, seq - seq // 4 :] = 0
    input_ids = torch.randint(_FIRST_WORD_ID, vocabulary, (batch, seq))
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def _pixels(batch: int, side: int) -> dict[str, Tensor]:
    return {"pixel_values": torch.randn(batch, 3, side, side)}


_FAMILIES: Mapping[Family, Callable[..., Built]] = {
    "bert": _bert,
    "roberta": _roberta,
    "gpt2": _gpt2,
    "gptj": _gptj,
    "llama": _llama,
    "vit": _vit,
    "resnet": _resnet,
    "mobilenet": _mobilenet,
    "vgg": _vgg,
    "mlp": _mlp,
    "minilm": _minilm,
    "whisper": _whisper,
    "whisper-en": _whisper_en,
}
