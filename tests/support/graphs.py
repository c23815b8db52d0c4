"""Graphs drawn as text, one operator a line; capital letters are weights.

graph("x", '''
    q = MatMul(x, W)
    y = Add(q, B)
''', "y")
"""

import re

from hypothesis import strategies as st

from stagecut.compiler.ir.graph import Graph, Node, Operator, Value

_LINE = re.compile(r"(?P<outputs>[\w, ]+) = (?P<op>\w+)\((?P<inputs>[\w, ]*)\)")


def graph(inputs: str, text: str, outputs: str, **dtypes: str) -> Graph:
    """Every node is called like its first output; values are float32[2x2] unless in `dtypes`."""

    def value(name: str) -> Value:
        return Value(name, dtypes.get(name, "float32"), (2, 2), constant=name[0].isupper())

    nodes = [
        _node(
            match["op"],
            [value(name) for name in _names(match["inputs"])],
            [value(name) for name in _names(match["outputs"])],
        )
        for match in map(_LINE.fullmatch, filter(None, map(str.strip, text.splitlines())))
        if match is not None
    ]
    return Graph(
        "drawn",
        tuple(nodes),
        tuple(map(value, _names(inputs))),
        tuple(map(value, _names(outputs))),
    )


def drawn(found: Graph) -> str:
    """The nodes of a graph, one a line, as `graph` reads them."""
    return "\n".join(
        f"{', '.join(v.name for v in node.outputs)} = {node.op}"
        f"({', '.join(v.name for v in (*node.inputs, *node.weights))})"
        for node in found.nodes
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _node(op: str, inputs: list[Value], outputs: list[Value]) -> Node:
    operator = Operator(outputs[0].name, op, "", tuple(inputs), tuple(outputs), version=20)
    return Node(
        name=outputs[0].name,
        op=op,
        operators=(operator,),
        inputs=tuple(value for value in inputs if not value.constant),
        outputs=tuple(outputs),
        weights=tuple(value for value in inputs if value.constant),
        flops=8 if op == "MatMul" else 1,
    )


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 12) -> Graph:
    """Random connected-ish graphs with branches, joins and values that many read."""
    ops = st.sampled_from(["MatMul", "Add", "Relu", "Reshape", "Transpose", "Softmax"])
    known = ["x", "z"]
    lines = []
    for index in range(draw(st.integers(1, max_nodes))):
        reads = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        known.append(f"n{index}")
        lines.append(f"n{index} = {draw(ops)}({', '.join(reads)})")
    read = {name for line in lines for name in _names(line.split("(")[1].rstrip(")"))}
    outputs = [name for name in known[2:] if name not in read]
    return graph("x, z", "\n".join(lines), ", ".join(outputs))
