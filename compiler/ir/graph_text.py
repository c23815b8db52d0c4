"""A graph as text that says all of it, and reads back as the same graph.

    graph mlp(%x:float32[2x4])
      node y: MatMul+Add(%x) weights (@w:float32[4x3], @b:float32[3]) -> (%y:float32[2x3]) 51 flops
        xw = MatMul 13(%x, @w) -> (%xw:float32[2x3])
        y = Add 14(%xw, @b) -> (%y)
      return (%y)

A value is written with its type where it is first met, and by name alone where it is met again:
`%x` is passed on, `@w` is a weight. An operator has the version of its operator set, and `from
DOMAIN` where that is not ONNX's own; `_` is an operand that was left out; `captures (%h)` are the
values that the bodies of control flow read from outside; `{axis: 0}` are attributes, as JSON. Names
with other characters than letters, digits and `_ . / + -` stand in quotes.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.graph import Attribute, Graph, Node, Operator, Value, sizes_text

Item = TypeVar("Item")

_PLAIN = re.compile(r"[\w./+\-]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SHAPE = re.compile(r"\[((?:\d+\+?(?:x\d+\+?)*)?)\]")

_COUNT = re.compile(r"\d+")

#: An operand that was left out.
_LEFT_OUT = "_"

#: Names that begin a line of another kind.
_RESERVED = ("node", "return")


def graph_text(graph: Graph) -> str:
    return "\n".join(_Writer().graph(graph))


def parse_graph(text: str) -> Graph:
    """What `graph_text` writes; raises ModelError, with the line, for what is none."""
    return _Reader(text).graph()


def _word(name: str) -> str:
    plain = _PLAIN.fullmatch(name) and name.isprintable() and name not in _RESERVED
    return name if plain else json.dumps(name)


class _Writer:
    """Knows which values have been written with their type."""

    def __init__(self) -> None:
        self._met: dict[tuple[bool, str], Value] = {}

    def graph(self, graph: Graph) -> Iterator[str]:
        yield f"graph {_word(graph.name)}{self._values(graph.inputs)}"
        for node in graph.nodes:
            yield f"  {self._node(node)}"
            yield from (f"    {self._operator(operator)}" for operator in node.operators)
        yield f"  return {self._values(graph.outputs)}"

    def _node(self, node: Node) -> str:
        text = f"node {_word(node.name)}: {_word(node.op)}{self._values(node.inputs)}"
        if node.weights:
            text += f" weights {self._values(node.weights)}"
        return f"{text} -> {self._values(node.outputs)} {node.flops} flops"

    def _operator(self, operator: Operator) -> str:
        text = f"{_word(operator.name)} = {_word(operator.op)} {operator.version}"
        if operator.domain:
            text += f" from {_word(operator.domain)}"
        text += self._values(operator.inputs)
        if operator.captured:
            text += f" captures {self._values(operator.captured)}"
        if operator.attributes:
            parts = (f"{_word(key)}: {json.dumps(it)}" for key, it in operator.attributes.items())
            text += f" {{{', '.join(parts)}}}"
        return f"{text} -> {self._values(operator.outputs)}"

    def _values(self, values: Iterable[Value | None]) -> str:
        return f"({', '.join(map(self._value, values))})"

    def _value(self, value: Value | None) -> str:
        if value is None:
            return _LEFT_OUT
        name = f"{'@' if value.constant else '%'}{_word(value.name)}"
        key = (value.constant, value.name)
        if self._met.get(key) == value:
            return name
        self._met[key] = value
        return f"{name}:{_word(value.dtype)}[{sizes_text(value)}]"


class _Reader:
    """A cursor over the lines; what it expects next and does not find is the error."""

    def __init__(self, text: str) -> None:
        lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), start=1))
        self._lines = deque((number, line) for number, line in lines if line)
        self._number, self._line, self._at = 1, "", 0
        self._met: dict[tuple[bool, str], Value] = {}

    def graph(self) -> Graph:
        self._next("graph ")
        name, inputs = self._name(), self._values()
        nodes: list[Node] = []
        while self._begins("node "):
            nodes.append(self._node())
        self._next("return ")
        outputs = self._values()
        self._end()
        if self._lines:
            raise self._unreadable("nothing more")
        return Graph(name, tuple(nodes), inputs, outputs)

    def _node(self) -> Node:
        self._next("node ")
        name = self._name()
        self._take(":")
        op, inputs = self._name(), self._values()
        weights = self._values() if self._took("weights ") else ()
        self._take("->")
        outputs = self._values()
        flops = self._number_here()
        self._take("flops")
        operators: list[Operator] = []
        while self._lines and not self._begins("node ", "return "):
            operators.append(self._operator())
        return Node(name, op, tuple(operators), inputs, outputs, weights, flops)

    def _operator(self) -> Operator:
        self._next("")
        name = self._name()
        self._take("=")
        op, version = self._name(), self._number_here()
        domain = self._name() if self._took("from ") else ""
        inputs = self._listed(self._operand)
        captured = self._values() if self._took("captures ") else ()
        attributes = self._attributes() if self._took("{") else {}
        self._take("->")
        outputs = self._listed(self._operand)
        return Operator(name, op, domain, inputs, outputs, captured, attributes, version)

    def _attributes(self) -> Mapping[str, Attribute]:
        found: dict[str, Attribute] = {}
        while not found or self._took(","):
            key = self._name()
            self._take(":")
            found[key] = self._json()
        self._take("}")
        return found

    def _json(self) -> Attribute:
        self._skip()
        try:
            found, self._at = json.JSONDecoder().raw_decode(self._line, self._at)
        except ValueError:
            raise self._unreadable("the value of an attribute") from None
        if isinstance(found, list):
            return tuple(found)
        if isinstance(found, int | float | str):
            return found
        raise self._unreadable("a number, a text or a list of these")

    def _operand(self) -> Value | None:
        if self._matches(_LEFT_OUT):
            self._take(_LEFT_OUT)
            return None
        return self._value()

    def _values(self) -> tuple[Value, ...]:
        return self._listed(self._value)

    def _listed(self, read: Callable[[], Item]) -> tuple[Item, ...]:
        self._take("(")
        found: list[Item] = []
        while not self._matches(")") and (not found or self._took(",")):
            found.append(read())
        self._take(")")
        return tuple(found)

    def _value(self) -> Value:
        constant = self._took("@")
        if not constant:
            self._take("%")
        name = self._name()
        if self._took(":"):
            dtype = self._name()
            sizes = self._match(_SHAPE, "a shape, such as [2x4]")[1:-1]
            each = sizes.split("x") if sizes else []
            shape = tuple(int(size.rstrip("+")) for size in each)
            grows = next((axis for axis, size in enumerate(each) if size.endswith("+")), None)
            self._met[constant, name] = Value(name, dtype, shape, constant, grows)
        if (constant, name) not in self._met:
            raise self._unreadable(f"the type of {name!r}, which is met for the first time")
        return self._met[constant, name]

    def _name(self) -> str:
        self._skip()
        if not self._matches('"'):
            return self._match(_PLAIN, "a name")
        try:
            found: str = json.loads(self._match(_QUOTED, "a name in quotes"))
        except ValueError:
            raise self._unreadable("a name in quotes") from None
        return found

    def _number_here(self) -> int:
        self._skip()
        return int(self._match(_COUNT, "a number"))

    def _begins(self, *words: str) -> bool:
        return bool(self._lines) and self._lines[0][1].startswith(words)

    def _next(self, word: str) -> None:
        """Go on to the next line, which begins with `word`; the last one has been read whole."""
        self._end()
        if not self._begins(word):
            raise self._unreadable(f"a line that begins with {word.strip()!r}")
        self._number, self._line = self._lines.popleft()
        self._at = len(word)

    def _end(self) -> None:
        self._skip()
        if self._at < len(self._line):
            raise self._unreadable("the end of the line")

    def _skip(self) -> None:
        while self._line[self._at : self._at + 1] == " ":
            self._at += 1

    def _matches(self, mark: str) -> bool:
        self._skip()
        return self._line.startswith(mark, self._at)

    def _took(self, mark: str) -> bool:
        if not self._matches(mark):
            return False
        self._at += len(mark)
        return True

    def _take(self, mark: str) -> None:
        if not self._took(mark):
            raise self._unreadable(repr(mark))

    def _match(self, pattern: "re.Pattern[str]", wanted: str) -> str:
        match = pattern.match(self._line, self._at)
        if match is None:
            raise self._unreadable(wanted)
        self._at = match.end()
        return match[0]

    def _unreadable(self, wanted: str) -> ModelError:
        rest = self._line[self._at :][:40]
        return ModelError(
            f"{rest!r} is not {wanted}",
            where=f"line {self._number}",
            fix="graphs are written as `--dump` writes them",
        )
