"""An exported decoder as OpenVINO's own tools have one: with its cache in variables.

Before:  past_key_values.0.key > Concat > present.0.key     inputs and outputs of every run
After:   ReadValue > Gather(beam_idx) > Concat > Assign     beam_idx says which sequence goes on,
                                                             and its CPU plugin looks for it
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset13
from openvino._offline_transformations import apply_make_stateful_transformation

_TOKENS, _BEAM = "input_ids", "beam_idx"


def write_stateful(file: Path, states: Mapping[str, str], folder: Path) -> None:
    """As optimum-intel does it (optimum/exporters/openvino/stateful.py). `states` are outputs by
    the inputs that they carry on."""
    model = openvino.Core().read_model(file)
    _reorder(model, states)
    apply_make_stateful_transformation(model, dict(states))
    _begin_empty(model)
    whole = folder.with_suffix(".part")
    openvino.save_model(model, whole / "openvino_model.xml", compress_to_fp16=False)
    whole.rename(folder)


def _reorder(model: Any, pasts: Iterable[str]) -> None:
    beam = opset13.parameter(name=_BEAM, dtype=openvino.Type.i32, shape=openvino.PartialShape([-1]))
    beam.output(0).get_tensor().add_names({_BEAM})
    model.add_parameters([beam])
    for name in pasts:
        port = model.input(name)
        readers = port.get_target_inputs()
        chosen = opset13.gather(port, beam, opset13.constant(np.int64(0)))
        for reader in readers:
            reader.replace_source_output(chosen.output(0))
    model.validate_nodes_and_infer_types()


def _begin_empty(model: Any) -> None:
    """States of no rows, for as many sequences as there are tokens in a column."""
    shape = opset13.shape_of(model.input(_TOKENS), output_type="i64")
    zero = opset13.constant(np.int64(0))
    many = opset13.gather(shape, opset13.constant(np.array([0])), zero)
    for op in model.get_ops():
        if op.get_type_name() == "ReadValue":
            sizes = [each.min_length for each in op.get_output_partial_shape(0)]
            sizes[2] = 0
            dims = [many, *(opset13.constant(np.array([size])) for size in sizes[1:])]
            nothing = opset13.constant(0.0, dtype=op.get_output_element_type(0))
            op.set_arguments([opset13.broadcast(nothing, opset13.concat(dims, axis=0))])
    model.validate_nodes_and_infer_types()
