"""The `stagecut` command: ready for signals first, then the rest; errors become exit codes.

0 done, 1 the input is bad or the plan cannot be made, 2 wrong usage, 130 interrupted; 141, as of
other programs, where nobody reads the output any more.
"""

# Nothing else is imported up here: until main() runs, Ctrl-C ends in Python's own traceback.
import signal
import sys
from collections.abc import Callable

from stagecut.compiler.ir.stop import Stopped, stop, stopping

#: Commands that call engines to measure them, or ask them whether they are there.
_MEASURING = (["compile"], ["profile"], ["sweep"], ["devices"])

#: Commands that use the devices that a plan or the user names.
_USING = (["run"], ["generate"], ["bench"], ["estimate"])


def main() -> None:
    """The `stagecut` command: engines are called in a process of their own, which may crash."""
    called = sys.argv[1:2]
    _run(_survivor if called in _MEASURING else _watched if called in _USING else _here)


def run_here() -> None:
    """Run the command line in this process; never shows a traceback for what the user can mend.

    Python's standard output is afterwards as it was before.
    """
    from stagecut.compiler.cli.streams import RESULTS

    try:
        _run(_here)
    finally:
        RESULTS.join()


def _run(command: Callable[[], int]) -> None:
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(_told(command))
    except Stopped as stopped:
        stopping()
        print("stopped", file=sys.stderr)  # noqa: T201
        sys.exit(stopped.exit_code)


def _told(command: Callable[[], int]) -> int:
    """The exit code of `command`, after a word of what is wrong."""
    from stagecut.compiler.cli import streams
    from stagecut.compiler.ir.errors import StagecutError, UsageError

    streams.make_ready()
    try:
        return command()
    except streams.ReaderGoneError:
        return 128 + signal.SIGPIPE
    except StagecutError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, UsageError) else 1


def _survivor() -> int:
    from stagecut.compiler.measure.supervisor import survive_crashes

    return survive_crashes(lambda notes: _told(lambda: _command(notes)))


def _watched() -> int:
    """A device that ends the process is named, and left to the plan's fallback; where there is no
    room for notes of what is called, the command does without."""
    from stagecut.compiler.ir.errors import OutputError
    from stagecut.compiler.measure.supervisor import survive_crashes

    try:
        return survive_crashes(lambda notes: _told(lambda: _command(notes)), alone=False)
    except OutputError:
        return _here()


def _here() -> int:
    return _command(None)


def _command(notes: object) -> int:
    """`notes` is a folder that survives a crash of this process."""
    from stagecut.compiler.cli import streams
    from stagecut.compiler.cli.app import app

    try:
        app(obj=notes)
    except SystemExit as done:  # what every command ends with
        streams.RESULTS.stream.flush()  # here a failure can still be told
        return done.code if isinstance(done.code, int) else 0
    return 0


if __name__ == "__main__":
    main()
