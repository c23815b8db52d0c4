"""A tensor with another one's numbers."""

import numpy as np
import onnx_ir as ir

from stagecut.compiler.formats.alias_tensor import AliasTensor


def test_its_numbers_are_the_others_and_its_name_is_its_own() -> None:
    numbers = ir.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), name="w")
    alias = AliasTensor(numbers)
    assert (alias.name, alias.dtype, alias.shape.numpy()) == ("w", numbers.dtype, (2, 3))
    np.testing.assert_array_equal(alias.numpy(), numbers.numpy())
    assert alias.tobytes() == numbers.tobytes()
    alias.name = "renamed"
    assert numbers.name == "w"


def test_an_alias_of_an_alias_is_one_of_the_first() -> None:
    numbers = ir.tensor(np.ones(2, np.float32), name="w")
    one = AliasTensor(numbers)
    one.name = "v"
    other = AliasTensor(one)
    assert other.of is numbers
    assert other.name == "v"
