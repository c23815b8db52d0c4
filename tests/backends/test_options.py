"""Options of a device: read with their defaults, refused with errors that teach."""

from collections.abc import Callable

import pytest

from stagecut.backends.options import Options
from stagecut.compiler.ir.errors import DeviceError


def _threads(options: Options) -> object:
    return options.integer("threads", default=2, at_least=1, at_most=8)


def _watts(options: Options) -> object:
    return options.number("watts", default=3.0, above=0)


def _mode(options: Options) -> object:
    return options.choice("mode", ("fast", "exact"), default="fast")


Read = Callable[[Options], object]
READ: dict[str, tuple[Read, dict[str, str], object]] = {
    "a default": (_threads, {}, 2),
    "a whole number": (_threads, {"threads": "5"}, 5),
    "a number": (_watts, {"watts": "4.5e1"}, 45.0),
    "a choice": (_mode, {"mode": "exact"}, "exact"),
}
BAD: dict[str, tuple[Read, dict[str, str], str]] = {
    "no whole number": (_threads, {"threads": "2.5"}, "threads: '2.5' is not a whole number"),
    "too small a number": (_threads, {"threads": "0"}, "threads: 0 is less than 1"),
    "too large a number": (_threads, {"threads": "9999999"}, "threads: 9999999 is more than 8"),
    "no number": (_watts, {"watts": "much"}, "watts: 'much' is not a number"),
    "nothing": (_watts, {"watts": "0"}, "watts: 0 is not greater than 0"),
    "no number at all": (_watts, {"watts": "nan"}, "watts: nan is not greater than 0"),
    "without end": (_watts, {"watts": "inf"}, "watts: inf is not greater than 0"),
    "no choice": (_mode, {"mode": "slow"}, "mode: 'slow' is not one of fast, exact"),
}


@pytest.mark.parametrize(("read", "given", "found"), READ.values(), ids=READ.keys())
def test_reading(read: Read, given: dict[str, str], found: object) -> None:
    options = Options("npu", given)
    assert read(options) == found
    options.refuse_unread()


@pytest.mark.parametrize(("read", "given", "problem"), BAD.values(), ids=BAD.keys())
def test_refusing(read: Read, given: dict[str, str], problem: str) -> None:
    with pytest.raises(DeviceError) as error:
        read(Options("npu", given))
    assert error.value.problem == f"option {problem}"
    assert error.value.where == "device npu"
    assert error.value.fix.startswith("for example npu:")


def test_an_option_that_nobody_reads_is_refused_with_the_nearest() -> None:
    options = Options("npu", {"threds": "2"})
    _threads(options)
    with pytest.raises(DeviceError, match="unknown option 'threds'") as error:
        options.refuse_unread()
    assert error.value.fix == "did you mean 'threads'? the options are threads"
