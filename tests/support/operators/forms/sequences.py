"""Recurrent layers, attention, and what belongs to them; losses and text."""

from collections.abc import Iterator, Sequence

from tests.support.operators.case import Operand
from tests.support.operators.forms.shorthand import c, every, form, v, w, x
from tests.support.operators.schemas import Form

_STEPS, _BATCH, _SIZE, _HIDDEN = 4, 2, 3, 5


def _weights(gates: int, directions: int, biases: int) -> tuple[Operand, ...]:
    rows = gates * _HIDDEN
    return (
        w(directions, rows, _SIZE, fill="unit"),
        w(directions, rows, _HIDDEN, fill="unit"),
        w(directions, biases * _HIDDEN, fill="unit"),
    )


def _recurrent(
    gates: int, activations: Sequence[tuple[str, ...]], *, states: int = 1, gru: bool = False
) -> Iterator[Form]:
    biases = 2 * gates
    for direction in ("forward", "reverse", "bidirectional"):
        ways = 2 if direction == "bidirectional" else 1
        weights = _weights(gates, ways, biases)
        initial = (x(ways, _BATCH, _HIDDEN, fill="unit"),) * states
        common = {"hidden_size": _HIDDEN, "direction": direction, "outputs": 1 + states}
        data = x(_STEPS, _BATCH, _SIZE, fill="unit")
        yield form(data, *weights, **common)
        yield form(data, *weights[:2], **common)
        yield form(data, *weights, None, *initial, **common)
        lengths = (c([4, 2], "int32"), v([3, 1], "int32"))
        for each in lengths:
            yield form(data, *weights, each, *initial, **common)
        for names in activations:
            yield form(data, *weights, activations=names * ways, **common)
        yield form(data, *weights, clip=0.3, **common)
        turned = x(_BATCH, _STEPS, _SIZE, fill="unit")
        yield form(turned, *weights, layout=1, **common)
        if gru:
            yield form(data, *weights, linear_before_reset=1, **common)
            yield form(data, *weights[:2], linear_before_reset=1, **common)
        if states == 2:
            peepholes = w(ways, 3 * _HIDDEN, fill="unit")
            yield form(data, *weights, None, *initial, peepholes, **common)
            yield form(data, *weights, input_forget=1, **common)


def _attention() -> Iterator[Form]:
    heads = (x(1, 2, 3, 4), x(1, 2, 5, 4), x(1, 2, 5, 4))
    for chosen in every(is_causal=(None, 1), scale=(None, 0.3), softcap=(None, 2.0)):
        yield form(*heads, **chosen)
        yield form(*heads, v([[True, False, True, True, True]] * 3), **chosen)
        yield form(*heads, x(3, 5, fill="unit"), **chosen)
    yield form(x(1, 4, 3, 4), x(1, 2, 5, 4), x(1, 2, 5, 4))
    yield form(x(1, 3, 8), x(1, 5, 8), x(1, 5, 8), q_num_heads=2, kv_num_heads=2)
    past = (x(1, 2, 2, 4), x(1, 2, 2, 4))
    yield form(*heads, None, *past, outputs=3)
    yield form(*heads, x(3, 7, fill="unit"), *past, outputs=3)


def _rotary() -> Iterator[Form]:
    for interleaved in (None, 1):
        cache = (x(6, 2, fill="unit"), x(6, 2, fill="unit"))
        ids = v([[0, 1, 2]], "int64")
        yield form(x(1, 2, 3, 4), *cache, ids, interleaved=interleaved)
        yield form(x(1, 3, 8), *cache, ids, interleaved=interleaved, num_heads=2)
        half = (x(6, 1, fill="unit"), x(6, 1, fill="unit"))
        yield form(x(1, 2, 3, 4), *half, ids, interleaved=interleaved, rotary_embedding_dim=2)
        yield form(
            x(1, 2, 3, 4), x(1, 3, 2, fill="unit"), x(1, 3, 2, fill="unit"), interleaved=interleaved
        )


def _losses(outputs: int) -> Iterator[Form]:
    for reduction in (None, "none", "sum"):
        for ignored in (None, 1):
            chosen = {"reduction": reduction, "ignore_index": ignored}
            yield form(x(3, 4), v([0, 1, 3]), outputs=outputs, **chosen)
            yield form(x(3, 4), v([0, 1, 3]), w(4, fill="positive"), outputs=outputs, **chosen)
            yield form(x(2, 4, 2), v([[0, 1], [3, 2]]), outputs=outputs, **chosen)


FORMS: dict[str, tuple[Form, ...]] = {
    "Attention": tuple(_attention()),
    "GRU": tuple(_recurrent(3, [("Tanh", "Sigmoid"), ("Relu", "Tanh")], gru=True)),
    "LSTM": tuple(
        _recurrent(4, [("Tanh", "Sigmoid", "Relu"), ("HardSigmoid", "Tanh", "Tanh")], states=2)
    ),
    "NegativeLogLikelihoodLoss": tuple(_losses(1)),
    "RNN": tuple(_recurrent(1, [("Relu",), ("Sigmoid",), ("Affine",)])),
    "RegexFullMatch": (form(x(4, dtype="string"), pattern="[a-z].*"),),
    "RotaryEmbedding": tuple(_rotary()),
    "SoftmaxCrossEntropyLoss": (*_losses(1), *_losses(2)),
    "StringNormalizer": (
        form(x(5, dtype="string"), case_change_action="UPPER"),
        form(x(5, dtype="string"), case_change_action="LOWER", stopwords=("a",)),
    ),
    "StringSplit": (form(x(3, dtype="string"), delimiter=".", outputs=2),),
    "TfIdfVectorizer": (
        form(
            x(6, fill="index:5", dtype="int32"),
            mode="TF",
            min_gram_length=1,
            max_gram_length=2,
            max_skip_count=0,
            ngram_counts=(0, 3),
            ngram_indexes=(0, 1, 2, 3),
            pool_int64s=(1, 2, 3, 1, 2),
        ),
    ),
}
