"""The table of the zoo: what there is, how large, with which parameters. Imports no engine."""

from stagecut.compiler.ir.errors import UsageError
from stagecut.models.entry import Entry, Parameter, Sizes, nearest


def _batch() -> dict[str, Parameter]:
    return {"batch": Parameter(1, "samples that are run at once")}


def _text(seq: int, most: int) -> dict[str, Parameter]:
    return {**_batch(), "seq": Parameter(seq, "sequence length in tokens", most)}


def _past(default: int | None, most: int) -> dict[str, Parameter]:
    meaning = "tokens that the cache of a decoder has room for"
    return {"past": Parameter(default, meaning, most, least=4)}


def _cached(default: int) -> dict[str, Parameter]:
    return {
        **_past(default, 2048),
        "sequences": Parameter(1, "sequences that run at once, in the same steps"),
    }


_HIDDEN = ("last_hidden_state", "pooler_output")
_LOGITS = ("logits",)

_TINY_ENCODER = {
    "vocab_size": 128,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
_TINY_DECODER = {
    "vocab_size": 128,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_GPT3_XL = {"n_embd": 2048, "n_layer": 1, "n_head": 16, "n_positions": 2048}
_GPT_J = {"n_layer": 1}
_TINY_GPT_J = {**_TINY_DECODER, "n_layer": 1, "rotary_dim": 8}
_LLAMA_100M = {
    "vocab_size": 32000,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "intermediate_size": 2048,
    "tie_word_embeddings": True,
}
_LLAMA_500M = {
    "vocab_size": 151936,
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "tie_word_embeddings": True,
}
_TINY_LLAMA = {
    "vocab_size": 128,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
}
#: Those of English alone; 30 s of sound, and 448 tokens about it.
_WHISPER_TINY = {"vocab_size": 51864}
_TINY_WHISPER = {
    "vocab_size": 128,
    "num_mel_bins": 8,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_source_positions": 12,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "decoder_start_token_id": 0,
}
_TINY_VISION = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "num_labels": 10,
}
_TINY_RESNET: Sizes = {
    "embedding_size": 8,
    "hidden_sizes": (16, 32),
    "depths": (1, 2),
    "num_labels": 10,
    "image_size": 32,
}
_BERT_SMALL = {
    "hidden_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
}
#: RoBERTa's checkpoints count positions from 2, behind its padding token, hence two more than 512.
_ROBERTA_BASE = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
_TINY_ROBERTA = {**_TINY_ENCODER, "max_position_embeddings": 514, "type_vocab_size": 1}
_VIT_BASE = {"image_size": 224, "num_labels": 1000}
_VIT_LARGE = {
    **_VIT_BASE,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
_VIT_HUGE = {
    **_VIT_BASE,
    "hidden_size": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "intermediate_size": 5120,
}
_RESNET_50 = {"num_labels": 1000, "image_size": 224}
_MOBILENET_V2 = {"num_labels": 1000, "image_size": 224}
#: Channels of the convolutions in each block, with a pooling behind it.
_VGG_16: Sizes = {
    "blocks": (64, 2, 128, 2, 256, 3, 512, 3, 512, 3),
    "hidden": 4096,
    "labels": 1000,
    "image_size": 224,
}
_TINY_VGG: Sizes = {"blocks": (4, 1, 8, 2), "hidden": 16, "labels": 10, "image_size": 16}
_MLP = {"features": 784, "hidden": 2048, "classes": 10}
_TINY_MLP = {"features": 16, "hidden": 32, "classes": 8}

CATALOGUE: tuple[Entry, ...] = (
    Entry(
        "bert-small",
        "bert",
        "BERT encoder, 4 layers, hidden 512, 29 M weights",
        _HIDDEN,
        _text(128, 512),
        _BERT_SMALL,
    ),
    Entry(
        "bert-base",
        "bert",
        "BERT encoder, 12 layers, hidden 768, 110 M weights",
        _HIDDEN,
        _text(128, 512),
        {},
    ),
    Entry(
        "roberta-base",
        "roberta",
        "RoBERTa encoder, 12 layers, hidden 768, 125 M weights",
        _HIDDEN,
        _text(128, 512),
        _ROBERTA_BASE,
    ),
    Entry(
        "gpt2",
        "gpt2",
        "GPT-2 decoder, 12 layers, hidden 768, 124 M weights; with a cache where `past` is given",
        _LOGITS,
        {**_text(128, 1024), **_past(None, 1024)},
        {},
    ),
    Entry(
        "gpt3-xl",
        "gpt2",
        "GPT-3 XL with 40 blocks of hidden 2048, which share one block's weights; with a cache "
        "where `past` is given",
        _LOGITS,
        {**_text(128, 2048), **_past(None, 2048)},
        _GPT3_XL,
        repeats=40,
    ),
    Entry(
        "gpt-j",
        "gptj",
        "GPT-J with 28 blocks of hidden 4096, which share one block's weights; with a cache where "
        "`past` is given",
        _LOGITS,
        {**_text(128, 2048), **_past(None, 2048)},
        _GPT_J,
        repeats=28,
    ),
    Entry(
        "llama-100m",
        "llama",
        "Llama-like decoder with a cache, 12 layers, hidden 768, grouped queries, 100 M weights",
        _LOGITS,
        _cached(1024),
        _LLAMA_100M,
    ),
    Entry(
        "llama-500m",
        "llama",
        "Llama-like decoder with a cache, 24 layers, hidden 896, grouped queries, 494 M weights",
        _LOGITS,
        _cached(1024),
        _LLAMA_500M,
    ),
    Entry(
        "vit-base",
        "vit",
        "Vision Transformer on 224x224 images, 12 layers, hidden 768, 87 M weights",
        _LOGITS,
        _batch(),
        _VIT_BASE,
    ),
    Entry(
        "vit-large",
        "vit",
        "Vision Transformer on 224x224 images, 24 layers, hidden 1024, 304 M weights",
        _LOGITS,
        _batch(),
        _VIT_LARGE,
    ),
    Entry(
        "vit-huge",
        "vit",
        "Vision Transformer on 224x224 images, 32 layers, hidden 1280, 632 M weights",
        _LOGITS,
        _batch(),
        _VIT_HUGE,
    ),
    Entry(
        "resnet-50",
        "resnet",
        "ResNet-50 on 224x224 images, 26 M weights",
        _LOGITS,
        _batch(),
        _RESNET_50,
    ),
    Entry(
        "mobilenet-v2",
        "mobilenet",
        "MobileNetV2 on 224x224 images, 3.5 M weights",
        _LOGITS,
        _batch(),
        _MOBILENET_V2,
    ),
    Entry("vgg-16", "vgg", "VGG-16 on 224x224 images, 138 M weights", _LOGITS, _batch(), _VGG_16),
    Entry("mlp", "mlp", "three linear layers with ReLU, 5.8 M weights", _LOGITS, _batch(), _MLP),
    Entry(
        "minilm",
        "minilm",
        "MiniLM-L6 sentence encoder with its trained weights, pooling included",
        ("sentence_embedding",),
        {"seq": Parameter(32, "padded length in tokens", 512)},
        {},
    ),
    Entry(
        "whisper-tiny",
        "whisper",
        "Whisper speech recogniser with an encoder and a decoder with a cache, 38 M weights",
        _LOGITS,
        _past(448, 448),
        _WHISPER_TINY,
    ),
    Entry(
        "whisper-tiny-en",
        "whisper-en",
        "the same with the trained weights of Whisper tiny.en",
        _LOGITS,
        _past(448, 448),
        {},
    ),
    Entry("tiny-bert", "bert", "BERT for tests", _HIDDEN, _text(8, 512), _TINY_ENCODER),
    Entry("tiny-roberta", "roberta", "RoBERTa for tests", _HIDDEN, _text(8, 512), _TINY_ROBERTA),
    Entry(
        "tiny-gpt2",
        "gpt2",
        "GPT-2 for tests",
        _LOGITS,
        {**_text(8, 1024), **_past(None, 1024)},
        _TINY_DECODER,
    ),
    Entry(
        "tiny-gptj",
        "gptj",
        "GPT-J for tests, two blocks that share their weights",
        _LOGITS,
        {**_text(8, 2048), **_past(None, 2048)},
        _TINY_GPT_J,
        repeats=2,
    ),
    Entry("tiny-llama", "llama", "Llama for tests", _LOGITS, _cached(16), _TINY_LLAMA),
    Entry("tiny-whisper", "whisper", "Whisper for tests", _LOGITS, _past(16, 448), _TINY_WHISPER),
    Entry("tiny-vit", "vit", "Vision Transformer for tests", _LOGITS, _batch(), _TINY_VISION),
    Entry("tiny-resnet", "resnet", "ResNet for tests", _LOGITS, _batch(), _TINY_RESNET),
    Entry("tiny-vgg", "vgg", "VGG for tests", _LOGITS, _batch(), _TINY_VGG),
    Entry("tiny-mlp", "mlp", "three linear layers for tests", _LOGITS, _batch(), _TINY_MLP),
)


def names() -> tuple[str, ...]:
    return tuple(entry.name for entry in CATALOGUE)


def find(name: str) -> Entry:
    """The entry called `name`; raises UsageError naming the nearest match."""
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    raise UsageError(
        f"the zoo has no model {name!r}", where=f"zoo:{name}", fix=nearest(name, names())
    )
