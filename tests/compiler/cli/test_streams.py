"""Standard output and error that are full, closed, left by their reader, or poor in characters."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stagecut.compiler.cli import streams
from stagecut.compiler.ir.errors import OutputError

_PROGRAM = f"{sys.executable} -m stagecut.compiler.cli.main"
_ESTIMATE = "estimate pim.hbm MatMul --shape 1x1024 --shape 1024x4096"


def _run(command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.replace('stagecut', _PROGRAM, 1)}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


_FULL, _CLOSED = "cannot be written: No space left", "cannot be written: Bad file descriptor"

#: What is done with the streams -> the exit code, and what is said on standard error.
STREAMS = {
    "full": ("stagecut --version > /dev/full", 1, _FULL),
    "full, help": ("stagecut --help > /dev/full", 1, _FULL),
    "full, JSON": (f"stagecut {_ESTIMATE} --json > /dev/full", 1, _FULL),
    "closed": ("stagecut --version >&-", 1, _CLOSED),
    "no reader": ("stagecut --help | exec true", 141, ""),
    "nowhere to complain": ("stagecut nothing 2>/dev/full", 2, ""),
    "nothing is open": ("stagecut --version >&- 2>&- <&-", 1, ""),
    "only errors are closed": ("stagecut --version 2>&- >/dev/null", 0, ""),
}


@pytest.mark.parametrize(("command", "code", "said"), STREAMS.values(), ids=STREAMS.keys())
def test_streams(command: str, code: int, said: str) -> None:
    done = _run(command)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_file_that_is_opened_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(
        '{"schema": "stagecut.costs/1", "name": "t", "memories": ["h"], "values": [], "devices": '
        '[{"name": "c", "memory": "h"}], "nodes": [{"name": "n", "op": "A", "run_s": {"c": 1}}]}'
    )
    done = _run(f"stagecut partition {tmp_path}/one.json -o {tmp_path}/out.json >&- 2>&-")
    assert done.returncode == 1
    assert (tmp_path / "out.json").read_text() == '{\n  "n": "c"\n}\n'


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=["locale", "asked for"],
)
def test_what_ascii_does_not_have_is_spelt(environment: dict[str, str]) -> None:
    done = _run(f"stagecut {_ESTIMATE}", **environment)
    assert done.returncode == 0, done.stderr
    assert "us (modelled)" in done.stdout
    assert done.stdout.isascii()


def test_what_has_no_spelling_is_escaped() -> None:
    done = _run("stagecut estimate 你 X --shape 1", PYTHONIOENCODING="ascii")
    assert "there is no device '\\u4f60'" in done.stderr


def test_ctrl_c_while_modules_are_loaded() -> None:
    """The signal comes as soon as the first module is looked for that is not our own."""
    code = """
import os, signal, sys
from stagecut.compiler.cli.main import main

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
sys.argv = ["stagecut", "--help"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "stopped\n"
    assert done.stdout == ""


def test_output_fails_once_and_what_is_left_of_it_is_dropped() -> None:
    for stream, error in ((_without_reader(), streams.ReaderGoneError), (_full(), OutputError)):
        output = streams._text(streams._Out(stream, "wb"), None)
        output.write("text")
        with pytest.raises(error):
            output.flush()
        output.close()


def test_errors_fail_in_silence() -> None:
    with streams._text(streams._Err(_full(), "wb"), None) as errors:
        errors.write("text")


def test_every_character_can_be_written(tmp_path: Path) -> None:
    file = os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT)
    ascii_only = io.TextIOWrapper(io.BytesIO(), "ascii")
    with streams._text(streams._Out(file, "wb"), ascii_only) as output:
        output.write("3 µs → 你 \udcff")
    assert (tmp_path / "said").read_text() == "3 us -> \\u4f60 \\udcff"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "stagecut.plain")


def test_streams_of_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = sys.stdout, sys.stderr
    assert theirs != (sys.__stdout__, sys.__stderr__)
    streams.make_ready()
    assert (sys.stdout, sys.stderr) == theirs
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    moved: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "dup2", lambda source, target: moved.append((source, target)))
    streams.make_ready()
    assert sys.stdout.errors == sys.stderr.errors == "stagecut.plain"
    assert moved == [(2, 1)]


def test_results_go_apart_from_what_others_print(capsys: pytest.CaptureFixture[str]) -> None:
    results = streams.Results()
    print("one", file=results.stream)
    results.part()
    print("two", file=results.stream)
    sys.stdout.write("theirs\n")
    results.join()
    print("three", file=results.stream)
    assert capsys.readouterr() == ("one\ntwo\nthree\n", "theirs\n")


def test_results_go_to_the_standard_output_that_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where one command after the other is run with an output of its own, and not ended."""
    results = streams.Results()
    for text in ("one", "two"):
        own = io.StringIO()
        monkeypatch.setattr(sys, "stdout", own)
        results.part()
        results.part()
        sys.stdout.write("theirs\n")
        print(text, file=results.stream)
        assert own.getvalue() == f"{text}\n"
        own.close()
    assert capsys.readouterr().err == "theirs\ntheirs\n"


def test_a_descriptor_that_is_closed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, int]] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda path, flags: opened.append((path, flags)))
        patch.setattr(os, "fstat", lambda _: _raised(OSError()))
        for descriptor in (1, 2):
            streams._take(descriptor)
    assert opened == [(os.devnull, os.O_RDONLY), (os.devnull, os.O_WRONLY)]


def _without_reader() -> int:
    reads, writes = os.pipe()
    os.close(reads)
    return writes


def _full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def _raised(error: OSError) -> None:
    raise error
