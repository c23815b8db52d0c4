"""The `stagecut` command: ready for signals first, then the rest; errors become exit codes.

0 done, 1 the input is bad or the plan cannot be made, 2 wrong usage, 130 interrupted; 141, as of
other programs, where nobody reads the output any more.
"""

# Nothing else is imported up here: until main() runs, Ctrl-C ends in Python's own traceback.
import signal
import sys

from stagecut.compiler.ir.stop import Stopped, stop, stopping


def main() -> None:
    """The `stagecut` command: engines are measured in a process of their own, which may crash."""
    _run(survives=sys.argv[1:2] in (["compile"], ["profile"]))


def run_here() -> None:
    """Run the command line in this process; never shows a traceback for what the user can mend."""
    _run(survives=False)


def _run(*, survives: bool) -> None:
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(_exit_code(survives=survives))
    except Stopped as stopped:
        stopping()
        print("stopped", file=sys.stderr)  # noqa: T201
        sys.exit(stopped.exit_code)


def _exit_code(*, survives: bool) -> int:
    from stagecut.compiler.cli import streams
    from stagecut.compiler.ir.errors import StagecutError, UsageError

    streams.make_ready()
    try:
        return _command(survives=survives)
    except streams.ReaderGoneError:
        return 128 + signal.SIGPIPE
    except StagecutError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, UsageError) else 1


def _command(*, survives: bool) -> int:
    from stagecut.compiler.cli.app import app
    from stagecut.compiler.measure.supervisor import survive_crashes

    try:
        app(obj=survive_crashes() if survives else None)
    except SystemExit as done:  # what every command ends with
        sys.stdout.flush()  # here a failure can still be told
        return done.code if isinstance(done.code, int) else 0
    return 0


if __name__ == "__main__":
    main()
