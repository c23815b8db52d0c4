"""Text of protobuf messages that is none: proto2 hands it back as bytes, and all other code, ours
and the libraries', expects text.
"""

from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import (  # type: ignore[import-untyped]
    Descriptor,
    FieldDescriptor,
)
from google.protobuf.message import Message  # type: ignore[import-untyped]


def not_text(message: Message) -> bytes | None:
    """The first text in `message`, or in what it holds, that is not UTF-8; None where all is."""
    return next(_stray(message), None)


def _stray(message: Message) -> Iterator[bytes]:
    texts, messages = _fields(message.DESCRIPTOR)
    for field in texts:
        value = getattr(message, field.name)
        for text in value if field.is_repeated else (value,):
            if isinstance(text, bytes):
                yield text
    for field in messages:
        if field.is_repeated:
            for each in getattr(message, field.name):
                yield from _stray(each)
        elif message.HasField(field.name):
            yield from _stray(getattr(message, field.name))


@cache
def _fields(kind: Descriptor) -> tuple[list[FieldDescriptor], list[FieldDescriptor]]:
    """Those that hold text, and those that hold messages."""
    return (
        [field for field in kind.fields if field.type == FieldDescriptor.TYPE_STRING],
        [field for field in kind.fields if field.type == FieldDescriptor.TYPE_MESSAGE],
    )
