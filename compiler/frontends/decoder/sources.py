"""Which value of the encoder each input of a decoder reads, by their names.

encoder: last_hidden_state   >  decoder: encoder_hidden_states
encoder: memory_out          >  decoder: memory
encoder: attention_mask, an input  >  decoder: encoder_attention_mask
"""

from collections.abc import Mapping

import onnx_ir as ir

from stagecut.compiler.frontends.decoder.pairs import OUT
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.state import MASK, POSITIONS, TOKENS

#: What exporters call inputs of decoders, and outputs (or inputs) of encoders that belong together.
_KNOWN = {
    "encoder_hidden_states": ("last_hidden_state", "hidden_states"),
    "encoder_attention_mask": (MASK,),
}
#: Inputs of a decoder that are its own, whatever the encoder has.
_OWN = frozenset({TOKENS, MASK, POSITIONS})


def read_from(
    encoder: ir.Graph, decoder: ir.Graph, asked: Mapping[str, str]
) -> dict[ir.Value, ir.Value]:
    """By the decoder's input, the output of the encoder, or an input of it, that it reads; `asked`
    pairs some by name.

    Raises UsageError for names that the models do not have.
    """
    outputs = {str(value.name): value for value in encoder.outputs}
    values = {**{str(value.name): value for value in encoder.inputs}, **outputs}
    inputs = {str(value.name): value for value in decoder.inputs}
    for source, target in asked.items():
        _check_known(source, values, "encoder has", f"{source}={target}")
        _check_known(target, inputs, "decoder reads", f"{source}={target}")
    found = {inputs[target]: values[source] for source, target in asked.items()}
    short = {OUT.sub("", name): value for name, value in outputs.items()}
    for name, value in inputs.items():
        if value not in found and name not in _OWN:
            likely = (*_KNOWN.get(name, ()), name)
            named = [
                kind[each] for kind in (outputs, short, values) for each in likely if each in kind
            ]
            if named:
                found[value] = named[0]
    return found


def _check_known(name: str, known: Mapping[str, ir.Value], who: str, pair: str) -> None:
    if name not in known:
        raise UsageError(
            f"the {who} no {name!r}", where=f"--hand {pair}", fix=f"there is {', '.join(known)}"
        )
