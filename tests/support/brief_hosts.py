"""`stagecut` as from a shell, where `stagecut hosts` measures briefly: figures have to be there,
and need not be sure. `python -m tests.support.brief_hosts ARGUMENTS...`"""

from typing import Any
from unittest import mock

from stagecut.compiler.cli.main import main
from stagecut.runtime.hosts import calibrate

#: How often things are measured, and for how long; calibrate.py says of what.
_BRIEF: dict[str, Any] = {
    "_TURNS": 1,
    "_FIRST_RUNS": 1,
    "_LEAST_RUNS": 3,
    "_LONGEST_S": 0.0,
    "_PIPELINED": 20,
}

if __name__ == "__main__":
    with mock.patch.multiple(calibrate, **_BRIEF):
        main()
