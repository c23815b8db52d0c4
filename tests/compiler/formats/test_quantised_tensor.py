"""Weights in few bits against the formula, number by number."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.formats.quantised_tensor import (
    BLOCKS,
    Form,
    QuantisedMatrix,
    QuantisedTensor,
    stored_parts,
)
from tests.support.quantised import quantised_matrix, quantised_tensor

sizes = st.integers(1, 70)
forms = st.one_of(
    st.builds(Form, sizes, sizes, st.just(8), st.none()),
    st.builds(Form, sizes, sizes, st.sampled_from([4, 8]), st.sampled_from(BLOCKS)),
)


def _number(matrix: QuantisedMatrix, row: int, column: int) -> float:
    """By the formula on top of the module."""
    form, values, scales = matrix.form, matrix.values.numpy(), matrix.scales.numpy()
    if form.block is None:
        return float(np.float32(values[row, column]) * scales[column])
    block, at = divmod(row, form.block)
    if form.bits == 8:
        whole = int(values[column, block, at]) - 128
    else:
        byte = int(values[column, block, at // 2])
        whole = (byte >> 4 if at % 2 else byte & 15) - 8
    return float(np.float32(whole) * scales[column, block])


@given(form=forms, seed=st.integers(0, 100), data=st.data())
def test_every_number_is_what_it_stands_for(form: Form, seed: int, data: st.DataObject) -> None:
    matrix = quantised_matrix(form, seed)
    row, column = (data.draw(st.integers(0, size - 1)) for size in (form.inner, form.outer))
    assert matrix.numpy().shape == (form.inner, form.outer)
    assert matrix.numpy()[row, column] == _number(matrix, row, column)


@given(form=forms)
def test_engines_may_take_the_integers_where_they_lie(form: Form) -> None:
    found = quantised_matrix(form).integers()
    most = 1 << (form.bits - 1)
    assert -most <= found.values.min() <= found.values.max() < most
    assert found.scales.shape == (-(-form.inner // found.block), form.outer)
    for array in (found.values, found.scales):
        assert array.flags.c_contiguous
        assert array.flags.writeable


@given(form=forms)
def test_its_size_is_that_of_its_parts(form: Form) -> None:
    matrix = quantised_matrix(form)
    assert form.size_bytes == matrix.values.nbytes + matrix.scales.nbytes


def test_a_turned_weight_is_the_matrix_turned() -> None:
    plain, turned = quantised_tensor("w"), quantised_tensor("w", turned=True)
    assert tuple(turned.shape) == (24, 40)
    np.testing.assert_array_equal(turned.numpy(), plain.numpy().T)
    assert turned.tobytes() == plain.numpy().T.tobytes()


def test_its_digest_is_of_its_form_and_all_its_numbers() -> None:
    form = Form(32, 24, 4, 32)
    one, same, other = (quantised_matrix(form, seed) for seed in (0, 0, 1))
    flat = quantised_matrix(Form(64, 12, 4, 32))
    assert one.digest == same.digest
    assert len({one.digest, other.digest, flat.digest}) == 3
    assert QuantisedMatrix(form, one.values, other.scales).digest != one.digest


def test_the_parts_of_a_weight_have_names_of_their_own() -> None:
    few, full = quantised_tensor("w"), ir.tensor(np.ones(3, np.float32), name="b")
    assert [name for name, _ in stored_parts("w", few)] == ["w/values", "w/scales"]
    assert [*stored_parts("b", full)] == [("b", full)]
    assert few.called("v").name == "v"
    assert few.name == "w"


FORMS = {
    "no rows": (0, 4, 4, 32),
    "columns of four bits": (32, 4, 4, None),
    "three bits": (32, 4, 3, 32),
    "a block that divides nothing": (32, 4, 4, 24),
    "a block that is too large": (512, 4, 4, 512),
}


@pytest.mark.parametrize("numbers", FORMS.values(), ids=FORMS.keys())
def test_forms_that_are_none(numbers: tuple[int, int, int, int | None]) -> None:
    with pytest.raises(ValueError, match=r"not of|no numbers"):
        Form(*numbers)


def test_parts_of_another_shape_or_type() -> None:
    matrix = quantised_matrix(Form(40, 24, 4, 32))
    with pytest.raises(ValueError, match=r"has scales FLOAT \[24, 3\], not FLOAT \[24, 2\]"):
        QuantisedMatrix(matrix.form, matrix.values, ir.Tensor(np.ones((24, 3), np.float32)))
    with pytest.raises(ValueError, match=r"has values INT8 \[40, 24\], not UINT8 \[24, 2, 16\]"):
        QuantisedMatrix(matrix.form, ir.Tensor(np.ones((40, 24), np.int8)), matrix.scales)


def test_what_reads_it_as_a_weight_of_the_model_gets_its_numbers() -> None:
    tensor = quantised_tensor("w")
    assert isinstance(tensor, QuantisedTensor)
    assert (tensor.dtype, tensor.nbytes) == (ir.DataType.FLOAT, 4 * 40 * 24)
    proto = ir.to_proto(tensor)
    np.testing.assert_array_equal(ir.from_proto(proto).numpy(), tensor.numpy())
