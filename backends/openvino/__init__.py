"""OpenVINO on the CPU: `openvino.f32`, `openvino.bf16` where the CPU has that format, and
`openvino.int8` and `openvino.int4`, which hold the weights of products in so many bits, and
`openvino.int8-static`, which multiplies them with activations in int8, in convolutions, too.

These run on all usable CPUs; `openvino.f32.serial` and so on run on one thread, so that no other
has to be woken.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from stagecut.backends.openvino.device import OpenvinoBackend
from stagecut.backends.options import Options
from stagecut.backends.quantised.scheme import Scheme, activations_of
from stagecut.backends.quantised.sums import sums_are_narrow, with_weights
from stagecut.backends.threads import MOST_THREADS, has_every_cpu, on_threads, usable_cores
from stagecut.compiler.ir.errors import BrokenDeviceError, DeviceError
from stagecut.compiler.ir.machine import HOST, Memory

_STATIC = "int8-static"

#: By precision, the options of devices that hold weights in few bits.
_OF_WEIGHTS = {
    "int8": ("activations",),
    "int4": ("activations", "block"),
    _STATIC: ("weights",),
}


def is_installed() -> bool:
    """Whether the package is there; does not load it."""
    return find_spec("openvino") is not None


def create(name: str, options: Mapping[str, str]) -> OpenvinoBackend:
    """`openvino.PRECISION` runs on all usable CPUs or on `threads=N`, and with `.serial` on one.

    `watts_per_thread=X` is as for `cpu.parallel`. `pinning=on` keeps each thread on a CPU of its
    own, which is so unasked where they may use every CPU of the machine. `streams=N` lets a stage
    serve N callers at once, each on as many threads. `.serial` pins none unless it is asked to: its
    streams share CPUs with those of other stages, whose session would choose the same ones.

    `openvino.int8` has a scale for each column of a weight, `openvino.int4` one for each
    `block=32|64|128` of a column; what they are multiplied with is quantised to int8 in groups, or
    with `activations=f32` not. `openvino.int8-static` quantises it by what it was on samples, with
    weights of `weights=7|8` bits.

    Raises DeviceError where the package is missing or broken, or the CPU lacks the precision.
    """
    precision, scheme = _precision(name), _scheme(name, options)
    serial = name.endswith(".serial")
    read = Options(name, options)
    kept = held = precision
    if scheme is not None:
        kind = precision if scheme.calibrated else f"{precision}-weights"
        kept, held = scheme.named(kind), scheme.described(kind)
    bits = _OF_WEIGHTS.get(precision, ())
    device = on_threads(
        name, options, f"OpenVINO on the CPU in {held}", kept, also=("streams", "pinning", *bits)
    )
    streams = read.integer("streams", default=1, at_least=1, at_most=MOST_THREADS)
    fills = has_every_cpu(device.cores * streams)
    usual = "on" if fills and not serial else "off"
    pinning = read.choice("pinning", ("off", "on"), default=usual)
    _check_usable(name, precision)
    alone = tuple(_alone(device.cores, pinning, options, fills=fills))
    serves = "streams" not in options
    pins = pinning == "on"
    return OpenvinoBackend(device, Memory(HOST), (), pins, alone, streams, serves, scheme)


def canonical_spec(name: str, options: Mapping[str, str]) -> Mapping[str, str]:
    """With what weights are on this machine, where options leave it open."""
    scheme = _scheme(name, options)
    calibrated = scheme is not None and scheme.calibrated
    return with_weights(scheme, options) if calibrated else options


def _precision(name: str) -> str:
    return name.removeprefix("openvino.").removesuffix(".serial")


def _scheme(name: str, options: Mapping[str, str]) -> Scheme | None:
    precision, read = _precision(name), Options(name, options)
    if precision == _STATIC:
        return _calibrated(name, options)
    if precision not in {"int8", "int4"}:
        return None
    activations = activations_of(read)
    if precision == "int8":
        return Scheme(8, None, activations)
    block = int(read.choice("block", ("32", "64", "128"), default="32"))
    return Scheme(4, block, activations, whole_blocks=True)


def _calibrated(name: str, options: Mapping[str, str]) -> Scheme:
    """Raises DeviceError where weights of 8 bits would make other sums: OpenVINO adds as the CPU
    does."""
    narrow = sums_are_narrow()
    scheme = Scheme.of(_STATIC, name, options, narrow=narrow)
    if narrow and not scheme.narrow:
        raise DeviceError(
            "this CPU adds two products of 8 bits in 16, which are too few for weights of 8 bits",
            where=f"device {name}",
            fix="give it weights=7; a plan that was made elsewhere has to be compiled here",
        )
    return scheme


def _alone(threads: int, pinning: str, options: Mapping[str, str], *, fills: bool) -> Iterator[str]:
    """One thread is pinned only where its streams take all CPUs: else all sessions choose the same
    ones."""
    if "pinning" in options or (threads == 1 and not fills):
        return
    # The other way was at best as fast, and slower beside other sessions (bert-base: 5 %).
    if pinning == "off":
        yield "pinning=on"
    if "threads" not in options and 1 < usable_cores() < threads:
        yield f"threads={usable_cores()}"


def _check_usable(name: str, precision: str) -> None:
    where = f"device {name}"
    if not is_installed():
        raise DeviceError(
            "the package openvino is not installed",
            where=where,
            fix="pip install 'stagecut[openvino]'",
        )
    try:
        from stagecut.backends.openvino import library

        able = library.capabilities()
    except Exception as error:  # a library that is missing or of another make: of any kind
        raise BrokenDeviceError(
            f"the package openvino is installed and cannot be used: {error}",
            where=where,
            fix="pip install --force-reinstall 'stagecut[openvino]', or leave the device out",
        ) from error
    if precision == "bf16" and "BF16" not in able:
        raise DeviceError("this CPU does not compute in bf16", where=where, fix="use openvino.f32")
