"""What several commands share: their arguments, and how these are read."""

import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

from stagecut.compiler.cli.output import ProgressLines, progress_bars
from stagecut.compiler.ir.errors import FeedError, ShapeError, UsageError
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.compiler.measure.crash_journal import ENGINE_TIMEOUT_S

if TYPE_CHECKING:
    from stagecut.compiler.context import Settings
    from stagecut.compiler.ir.device import Listener, Tensor
    from stagecut.passes.partition.restrict import Restrict

Choice = TypeVar("Choice", bound=str)

#: Of a size: what ONNX keeps in 64 bits has no more.
_MOST_DIGITS = 18

ModelArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="An .onnx file, a folder with an encoder and a decoder, a .pt2 file, "
        "package.module:factory (returns a torch module and example inputs), or zoo:NAME (such as "
        "zoo:bert-base or zoo:gpt2:seq=64).",
    ),
]
DeviceOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="[OWN=]NAME[:KEY=VALUE,...]",
        help="A device to consider; repeat for several. `stagecut devices` lists them. The same "
        "one may be there twice under names of your own: a=pim.hbm:channels=16. "
        "Default: every real device of this machine.",
    ),
]
ShapeOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="INPUT=1x128",
        help="The shape of an input whose dimensions the model leaves open; repeat for several "
        "inputs. `compile` takes several shapes of one input, too: a variant for each.",
    ),
]
FeedOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="INPUT=FILE.npy", help="A sample input; repeat for several."),
]
GranularityOption: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="cluster|op", help="Place clusters of operators (default), or every operator alone."
    ),
]
ObjectiveOption: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="latency|energy|latency=A,energy=B|throughput",
        help="What is minimised: time, energy, or A for each second plus B for each joule; or, of "
        "a stream, the time from one input to the next.",
    ),
]
PinOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        metavar="PATTERN=DEVICE",
        help="Keep a node to a device, or all that a name or operator pattern matches and that "
        "can run there: --pin 'MatMul*=pim'; name:PATTERN and op:PATTERN look at one of the two. "
        "Repeat for several.",
    ),
]
ForbidOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--forbid",
        metavar="PATTERN=DEVICE",
        help="Keep nodes off a device; repeat for several.",
    ),
]
FallbackOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--fallback", help="Where a device is missing or fails, run on ONNX Runtime alone."
    ),
]
ClusterOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT",
        help="The Ray cluster that a plan over several hosts runs on: the one that this host is "
        "in, or by the address of its first host.",
    ),
]
InsecureOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--insecure", help="Use a cluster that asks for no token: whoever reaches it runs anything."
    ),
]
CoresOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="0-7,16-23",
        help="Use these CPUs only; `stagecut devices --topology` draws which share what.",
    ),
]
CacheOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--cache-dir", help="Keep measurements here instead of the user's cache folder."),
]
NoCacheOption: TypeAlias = Annotated[
    bool, typer.Option("--no-cache", help="Measure anew, and keep nothing.")
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output.")
]


def keep_to_cores(text: str | None) -> None:
    """What `--cores` says; raises UsageError for CPUs that are not there."""
    if text is not None:
        from stagecut.compiler.measure.topology import keep_to, parse_cpus

        keep_to(parse_cpus(text))


def parse_shapes(texts: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """`["ids=1x128"]` -> `{"ids": (1, 128)}`; raises ShapeError."""
    variants = parse_variants(texts)
    if len(variants) > 1:
        raise ShapeError(
            "an input is given twice", where="--shape", fix="give it once: only compile takes more"
        )
    return variants[0]


def parse_variants(texts: Sequence[str] | None) -> list[dict[str, tuple[int, ...]]]:
    """`["ids=1x16", "ids=1x128"]` -> `[{"ids": (1, 16)}, {"ids": (1, 128)}]`; raises ShapeError.

    The first shapes of all inputs belong together, the second ones, and so on; an input with one
    shape has it always. No texts make one variant without shapes.
    """
    by_input: dict[str, list[tuple[int, ...]]] = {}
    for text in texts or ():
        name, equals, sizes = text.rpartition("=")
        if not (equals and name):
            raise ShapeError(
                f"{text!r} names no input", where="--shape", fix="write --shape INPUT=1x128"
            )
        by_input.setdefault(name, []).append(parse_shape(sizes))
    count = max(map(len, by_input.values()), default=1)
    for name, shapes in by_input.items():
        if len(shapes) not in {1, count}:
            raise ShapeError(
                f"input {name!r} has {len(shapes)} shapes, and another input has {count}",
                where="--shape",
                fix=f"give one shape of it, or {count}: the first ones of all inputs belong "
                "together, the second ones, and so on",
            )
    return [
        {name: shapes[index % len(shapes)] for name, shapes in by_input.items()}
        for index in range(count)
    ]


def parse_shape(text: str) -> tuple[int, ...]:
    """`1x128` -> `(1, 128)`, `scalar` -> `()`; raises ShapeError."""
    if text == "scalar":
        return ()
    sizes = text.split("x")
    if not all(size.isdecimal() for size in sizes):
        raise ShapeError(
            f"{text!r} is not a shape", where="--shape", fix="write sizes joined by x, as in 1x128"
        )
    if max(map(len, sizes)) > _MOST_DIGITS:
        raise ShapeError(
            f"a size has {max(map(len, sizes))} digits", where="--shape", fix="give smaller sizes"
        )
    return tuple(map(int, sizes))


def read_rules(pins: Sequence[str] | None, forbids: Sequence[str] | None) -> "Restrict":
    """`["MatMul*=pim"]`, `["b=pim"]` -> a pass that applies these rules; raises UsageError."""
    from stagecut.passes.partition.restrict import Restrict, parse_rule

    return Restrict(tuple(map(parse_rule, pins or ())), tuple(map(parse_rule, forbids or ())))


def read_feeds(texts: Sequence[str] | None) -> "dict[str, Tensor]":
    """`["ids=ids.npy"]` -> the arrays by input name; raises FeedError."""
    from stagecut.compiler.formats.array_file import read_array

    feeds: dict[str, Tensor] = {}
    for name, path in map(_split_feed, texts or ()):
        if name in feeds:
            raise FeedError(f"{name!r} is given twice", where="--input", fix="give it once")
        feeds[name] = read_array(path, f"input {name}")
    return feeds


def model_files(model: str, output: Path) -> Iterator[Path]:
    """The files that MODEL is read from, as far as one of them may be `output`."""
    if os.path.exists(output):  # noqa: PTH110  # the method raises for a name that is too long
        from stagecut.compiler.frontends.model_folder import files_in, is_folder
        from stagecut.compiler.frontends.onnx_file import data_files

        if is_folder(model):
            yield from files_in(Path(model))
        else:
            yield Path(model)
            yield from data_files(Path(model))


def feed_files(texts: Sequence[str] | None) -> list[Path]:
    """The files that `read_feeds` reads."""
    return [path for _, path in map(_split_feed, texts or ())]


def _split_feed(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise FeedError(
            f"{text!r} is not INPUT=FILE.npy", where="--input", fix="write --input ids=ids.npy"
        )
    return name, Path(path)


def one_of(text: str, choices: Sequence[Choice], option: str) -> Choice:
    """`text` as one of `choices`; raises UsageError."""
    for choice in choices:
        if choice == text:
            return choice
    raise UsageError(
        f"{text!r} is not one of {', '.join(choices)}",
        where=option,
        fix=f"write {option} {choices[0]}",
    )


def make_settings(
    *,
    cache_dir: Path | None,
    no_cache: bool,
    dump: Path | None = None,
    output: Path | None = None,
    notes: Path | None = None,
    effort: str = "normal",
    engine_timeout_s: float = ENGINE_TIMEOUT_S,
    watch: Told = nobody,
) -> "Settings":
    """Settings with progress bars; working files are kept beside `output`, where there has to be
    room for the result anyway."""
    from stagecut.compiler.context import EFFORTS, Settings

    progress = progress_bars()
    return Settings(
        cache=None if no_cache else (cache_dir or _user_cache()),
        dump=dump,
        scratch=None if output is None else _folder_with_room(output),
        notes=notes,
        engine_timeout_s=engine_timeout_s,
        effort=one_of(effort, EFFORTS, "--effort"),
        progress=progress,
        watch=watch,
        phase=progress.phase if isinstance(progress, ProgressLines) else nullcontext,
    )


def _folder_with_room(output: Path) -> Path | None:
    """None for a pipe or a device, beside which nothing should be kept."""
    return None if output.exists() and not output.is_file() else output.resolve().parent


def _user_cache() -> Path | None:
    """None where the user has no home, so that nothing is written into a folder called `~`."""
    import platformdirs

    from stagecut.compiler.context import to_stderr

    folder = platformdirs.user_cache_path("stagecut")
    if folder.is_absolute():
        return folder
    to_stderr("there is no home folder to keep measurements in: name one with --cache-dir")
    return None


def listener(notes: Path | None, limit_s: float = ENGINE_TIMEOUT_S) -> "Listener":
    """Who is told what devices are asked: whoever watches this process for what they do then, and
    waits so long for an answer, or with 0 until the user has had enough."""
    from stagecut.backends import UNHEARD
    from stagecut.compiler.measure.crash_journal import CrashJournal

    return UNHEARD if notes is None else CrashJournal(notes, limit_s)
