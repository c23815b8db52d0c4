"""Sessions lay what they hold side by side in the heap: asked of glibc, in a process of its own."""

import ctypes
import subprocess
import sys

import pytest

#: 8 MiB by malloc before and after a session is made: how many blocks were mapped by themselves.
PROBE = """
import ctypes
from onnx import TensorProto, helper
from stagecut.backends.cpu import engine

FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS.split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype, libc.malloc.restype = Info, ctypes.c_void_p

def mapped():
    before = libc.mallinfo2().hblks
    libc.malloc(ctypes.c_size_t(8 << 20))
    return libc.mallinfo2().hblks - before

before = mapped()
x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
graph = helper.make_graph([helper.make_node("Tanh", ["x"], ["y"])], "tiny", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
engine._session(model.SerializeToString(), engine.Threads(1), {})
print(before, mapped())
"""


def test_large_blocks_come_from_the_heap_once_there_is_a_session() -> None:
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("this is not glibc")
    told = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert told.split() == ["1", "0"]
