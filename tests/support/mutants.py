"""Plan files that went wrong: each a plan with a small change, by its number.

Bytes are flipped or cut, or members, the document, the costs and the programs are changed and the
file is sealed again with the right digests, so that the change gets past the seal.
"""

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message  # type: ignore[import-untyped]

from stagecut.compiler.formats.archive import Archive, write_archive
from tests.support.resealed import DOCUMENT, members_of, reseal

#: A member's content by its name.
Members = dict[str, bytes]

#: What stands where something else stood.
SCRAPS: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 1 << 31, 1 << 63, 1 << 70, 10**400),
    *(0.0, -0.0, 0.5, -1e-9, 5e-324, 1e-90, 1e90, 1e308, "NaN", "Infinity", "-Infinity"),
    *("", "host", "y", "x", "cpu.serial", "pim.hbm", "modelled", "../x", "/etc/passwd", "é\u202e"),
    *("a" * 3000, [], [[]], [None], {}, {"a": 1}, [0, 1], {"stage": 0}, {"value": "h"}),
)


def mutate(path: Path, plan: Path, number: int) -> str:
    """Write the mutant `number` of `plan` to `path`; says of what kind it is."""
    dice = random.Random(number)  # noqa: S311  # nothing secret
    kind = dice.choice([*KINDS])
    KINDS[kind].make(path, plan, dice)
    return kind


def _flip(path: Path, plan: Path, dice: random.Random) -> None:
    content = bytearray(plan.read_bytes())
    for _ in range(dice.choice([1, 1, 2, 8])):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, plan: Path, dice: random.Random) -> None:
    content = plan.read_bytes()
    path.write_bytes(content[: dice.randrange(len(content))])


def _shift(path: Path, plan: Path, dice: random.Random) -> None:
    """A block of bytes is repeated, or left out."""
    content = plan.read_bytes()
    first, last = sorted(dice.sample(range(len(content)), 2))
    again = content[first:last] if dice.random() < 0.5 else b""
    path.write_bytes(content[:first] + 2 * again + content[last:])


def _members(path: Path, plan: Path, dice: random.Random) -> None:
    members = members_of(Archive(plan))
    one, other = dice.sample([name for name in members if name != DOCUMENT], 2)
    match dice.randrange(5):
        case 0:
            members[one], members[other] = members[other], members[one]
        case 1:
            del members[one]
        case 2:
            members[f"{one}.copy"] = members[one]
        case 3:
            members[one] = members[one][: dice.randrange(len(members[one]) + 1)]
        case _:
            members[one] = dice.randbytes(dice.choice([0, 1, 100, 5000]))
    reseal(path, members)


def _unlisted(path: Path, plan: Path, dice: random.Random) -> None:
    """A member is changed, and the document still has the digest of the one before."""
    members = members_of(Archive(plan))
    name = dice.choice([*members])
    content = bytearray(members[name] or b"x")
    content[dice.randrange(len(content))] ^= 1
    write_archive(path, {**members, name: bytes(content)})


def _document(path: Path, plan: Path, dice: random.Random) -> None:
    _with_json(path, plan, DOCUMENT, dice)


def _costs(path: Path, plan: Path, dice: random.Random) -> None:
    names = [name for name in members_of(Archive(plan)) if name.endswith("costs.json")]
    _with_json(path, plan, names[0] if len(names) == 1 else dice.choice(names), dice)


def _with_json(path: Path, plan: Path, name: str, dice: random.Random) -> None:
    members = members_of(Archive(plan))
    document = json.loads(members[name])
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        _change_json(document, dice)
    reseal(path, {**members, name: json.dumps(document).encode()})


def _change_json(document: Any, dice: random.Random) -> None:
    places = [place for place in _places(document) if place[1] != "schema"]
    part, key = dice.choice(places)
    other_part, other_key = dice.choice(places)
    match dice.randrange(8):
        case 0 | 1:
            part[key] = copy.deepcopy(dice.choice(SCRAPS))
        case 2:
            part[key] = _near(part[key], dice)
        case 3:
            part[key] = copy.deepcopy(other_part[other_key])
        case 4:
            del part[key]
        case 5 if isinstance(part, list):
            part.insert(dice.randrange(len(part) + 1), copy.deepcopy(part[key]))
        case 6 if isinstance(part, list):
            dice.shuffle(part)
        case _ if isinstance(part, dict):
            part[f"{key}x"] = part.pop(key)


def _near(value: Any, dice: random.Random) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return dice.choice([value + 1, value - 1, -value, value * 1000, value << 40])
    if isinstance(value, float):
        return dice.choice([value * 2, -value, value * 1e30, value * 1e-30, value * 1e300])
    if isinstance(value, str):
        return dice.choice([value + "x", value[:-1], value[::-1], value.upper(), value * 50])
    return value[::-1] if isinstance(value, list) else {}


def _places(part: Any) -> Iterator[tuple[Any, Any]]:
    """Every value below `part`, as where it stands and its key there."""
    if isinstance(part, dict | list):
        for key in part if isinstance(part, dict) else range(len(part)):
            yield part, key
            yield from _places(part[key])


def _program(path: Path, plan: Path, dice: random.Random) -> None:
    members = members_of(Archive(plan))
    name = dice.choice([name for name in members if name.endswith(".onnx")])
    model = onnx.ModelProto.FromString(members[name])
    for _ in range(dice.choice([1, 1, 2])):
        _change_message(model, dice)
    reseal(path, {**members, name: model.SerializeToString()})


def _program_bytes(path: Path, plan: Path, dice: random.Random) -> None:
    members = members_of(Archive(plan))
    name = dice.choice([name for name in members if name.endswith(".onnx")])
    content = bytearray(members[name])
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    reseal(path, {**members, name: bytes(content)})


def _change_message(model: Message, dice: random.Random) -> None:
    message, field = dice.choice([*_fields(model)])
    value = getattr(message, field.name)
    if field.is_repeated:
        match dice.randrange(3):
            case 0:
                del value[dice.randrange(len(value))]
            case 1 if field.message_type is not None:
                value.add().CopyFrom(dice.choice(value))
            case _:
                kept = [*value][::-1]
                message.ClearField(field.name)
                getattr(message, field.name).extend(kept)
    elif field.message_type is not None or dice.random() < 0.3:
        message.ClearField(field.name)
    elif isinstance(value, str):
        setattr(message, field.name, dice.choice([value + "x", "", "x", "y", "/etc/passwd"]))
    elif isinstance(value, bytes):
        setattr(message, field.name, value[: dice.randrange(len(value) + 1)])
    else:
        _set_number(message, field.name, dice.choice([value + 1, -value, 0, 99, 1 << 30, 1 << 62]))


def _set_number(message: Message, name: str, number: float) -> None:
    try:
        setattr(message, name, number)
    except (ValueError, TypeError):  # it does not fit the field
        message.ClearField(name)


def _fields(message: Message) -> Iterator[tuple[Message, Any]]:
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                yield from _fields(each)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a mutant is made; `changes_numbers` says that other outputs are what it asks for."""

    make: Callable[[Path, Path, random.Random], None]
    changes_numbers: bool = False


#: More often than once for what has more places to go wrong.
KINDS: Mapping[str, Kind] = {
    "bytes flipped": Kind(_flip),
    "bytes cut off": Kind(_cut),
    "bytes repeated or left out": Kind(_shift),
    "members swapped, left out or added": Kind(_members, changes_numbers=True),
    "a member that is not the listed one": Kind(_unlisted),
    **{f"document changed {at}": Kind(_document) for at in range(6)},
    **{f"costs changed {at}": Kind(_costs) for at in range(2)},
    **{f"program changed {at}": Kind(_program, changes_numbers=True) for at in range(3)},
    "bytes of a program flipped": Kind(_program_bytes, changes_numbers=True),
}
