"""A tensor with the numbers of another one, and a name of its own.

model   w ----.
clone   w' ---+---> the numbers, once
"""

import onnx_ir as ir


class AliasTensor(ir.LazyTensor):
    """`of` has the numbers; renaming this leaves it as it is."""

    def __init__(self, of: ir.TensorProtocol) -> None:
        self.of: ir.TensorProtocol = of.of if isinstance(of, AliasTensor) else of
        shape = ir.Shape(of.shape.numpy())
        super().__init__(lambda: self.of, of.dtype, shape, name=of.name or "")
