"""The contract: what is asked of every backend, whatever it is."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.ir.device import Backend, Executable, LinkDriver, Tensor
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import HOST
from tests.support.nodes import Sample, sample

#: Device spec -> the largest error it may make, as a fraction of the largest number in the result.
TOLERANCES = {
    "cpu.serial": 1e-5,
    "cpu.parallel:threads=2": 1e-5,
    "cpu.parallel:threads=2,waiting=spin,pinning=on": 1e-5,
    "cpu.int8.serial": 2e-2,
    "cpu.int8.parallel:threads=2,block=32,activations=f32": 2e-2,
    "cpu.int8-dynamic.serial": 2e-2,
    "cpu.int8-dynamic.parallel:threads=2": 2e-2,
    "cpu.int8-static.serial": 2e-2,
    "cpu.int8-static.parallel:threads=2,weights=8": 2e-2,
    "cpu.int4.serial": 2e-1,
    "cpu.int4.parallel:threads=2,block=64": 2e-1,
    "openvino.f32": 1e-5,
    "openvino.f32:threads=2,pinning=on": 1e-5,
    "openvino.f32:threads=2,pinning=off": 1e-5,
    "openvino.f32.serial": 1e-5,
    "openvino.bf16": 2e-2,
    "openvino.bf16.serial": 2e-2,
    "openvino.int8": 2e-2,
    "openvino.int8.serial:activations=f32": 2e-2,
    "openvino.int8.serial": 2e-2,
    "openvino.int8-static": 2e-2,
    "openvino.int8-static.serial:weights=7": 2e-2,
    "openvino.int4": 2e-1,
    "openvino.int4.serial": 2e-1,
    "pim.hbm": 3e-3,
    "pim.hbm:numerics=exact": 5e-3,
    "pim.aim": 2e-2,
    "pim.aim:numerics=exact": 2e-2,
    "pim.silent": 2e-2,
    "pim.silent:numerics=exact": 2e-2,
    "pim:architecture=aim,name=mine,channels=8": 2e-2,
    "manycore.snitch16": 2e-2,
    "manycore.snitch16:precision=fp32": 2e-2,
    "manycore.snitch16:precision=fp16,numerics=exact": 2e-2,
    "manycore.snitch16:precision=fp8": 3e-1,
    "manycore.occamy": 2e-2,
    "manycore:architecture=occamy,name=mine,clusters=8": 2e-2,
    "null": 1e-6,
    "null:memory=host,basis=measured": 1e-6,
}
THREADS = 4

_rng = np.random.default_rng(0)


def _weights(*shape: int) -> Tensor:
    return _rng.standard_normal(shape).astype(np.float32)


EVERYWHERE = {
    "MatMul with a weight": sample(
        "(float[2, 3, 40] x) => (float[2, 3, 70] y) { y = MatMul(x, w) }", w=_weights(40, 70)
    ),
    "Gemm with a transposed weight, factors and a bias": sample(
        "(float[5, 33] x) => (float[5, 9] y) "
        "{ y = Gemm <alpha = 0.5, beta = 2.0, transB = 1> (x, w, b) }",
        w=_weights(9, 33),
        b=_weights(9),
    ),
    "Add of two activations": sample(
        "(float[4, 6] a, float[4, 6] b) => (float[4, 6] y) { y = Add(a, b) }"
    ),
    "Mul by a row": sample("(float[4, 6] x) => (float[4, 6] y) { y = Mul(x, w) }", w=_weights(6)),
    "Mul of 240 kB": sample(
        "(float[200, 300] x) => (float[200, 300] y) { y = Mul(x, w) }", w=_weights(300)
    ),
    "MatMul of 144 kB": sample(
        "(float[600, 60] x) => (float[600, 60] y) { y = MatMul(x, w) }", w=_weights(60, 60)
    ),
}
SOMEWHERE = {
    "Relu": sample("(float[3, 3] x) => (float[3, 3] y) { y = Relu(x) }"),
    "a cluster with a view inside, read in two places": sample(
        "(float[4, 16] x, float[2, 2, 8] r) => (float[2, 2, 8] y, float[4, 8] h) "
        "{ h = MatMul(x, w) v = Reshape(h, s) a = Add(v, r) y = Relu(a) }",
        w=_weights(16, 8),
        s=np.array([2, 2, -1]),
    ),
    "LeakyRelu": sample("(float[9] x) => (float[9] y) { y = LeakyRelu <alpha = 0.3> (x) }"),
    "Sigmoid": sample("(float[9] x) => (float[9] y) { y = Sigmoid(x) }"),
    "Tanh": sample("(float[9] x) => (float[9] y) { y = Tanh(x) }"),
    "Gelu": sample("(float[9] x) => (float[9] y) { y = Gelu(x) }"),
    "Gelu by tanh": sample('(float[9] x) => (float[9] y) { y = Gelu <approximate = "tanh"> (x) }'),
    "MatMul of two activations": sample(
        "(float[2, 4, 3] a, float[2, 3, 5] b) => (float[2, 4, 5] y) { y = MatMul(a, b) }"
    ),
    "Sub of a column from a row": sample(
        "(float[4, 1] a, float[6] b) => (float[4, 6] y) { y = Sub(a, b) }"
    ),
    "Sub of a weight": sample(
        "(float[4, 6] x) => (float[4, 6] y) { y = Sub(x, w) }", w=_weights(6)
    ),
    "BatchNormalization": sample(
        "(float[2, 3, 5] x) => (float[2, 3, 5] y) "
        "{ y = BatchNormalization <epsilon = 0.1> (x, s, b, m, v) }",
        s=_weights(3),
        b=_weights(3),
        m=_weights(3),
        v=np.abs(_weights(3)),
    ),
    "Softmax": sample("(float[2, 7] x) => (float[2, 7] y) { y = Softmax(x) }"),
    "Gather of whole numbers": sample(
        "(int64[3] i) => (int64[3] y) { y = Gather(w, i) }", w=np.arange(-9, 9)
    ),
    "two results of different types": sample(
        "(float[2, 3] x) => (float[2] m, int64[2] i) "
        "{ m = ReduceMax <keepdims = 0> (x, a) i = ArgMax <axis = 1, keepdims = 0> (x) }",
        a=np.array([1]),
    ),
}
SAMPLES = EVERYWHERE | SOMEWHERE


def _read_only(array: Tensor) -> Tensor:
    found = array.copy()
    found.flags.writeable = False
    return found


#: The same numbers elsewhere in memory.
LAID_OUT: Mapping[str, Callable[[Tensor], Tensor]] = {
    "read-only": _read_only,
    "first axis last": np.asfortranarray,
    "every other number": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    "backwards": lambda array: array[..., ::-1].copy()[..., ::-1],
}


@pytest.fixture(params=TOLERANCES, scope="module")
def spec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def backend(spec: str) -> Backend:
    try:
        return backends.create(spec)
    except DeviceError as error:
        if "does not compute in bf16" not in error.problem:
            raise
        pytest.skip(error.problem)


@pytest.fixture(scope="module")
def supported(backend: Backend) -> list[Sample]:
    return [case for case in SAMPLES.values() if backend.supports(case.node)]


@pytest.fixture(scope="module")
def executables(backend: Backend) -> dict[str, Executable]:
    """Of what every backend runs."""
    return {name: backend.prepare(case.stage) for name, case in EVERYWHERE.items()}


def test_every_built_in_device_is_asked() -> None:
    asked = {spec.partition(":")[0] for spec in TOLERANCES}
    assert asked == set(backends.BUILT_IN)


def test_plain_float_operators_are_supported(backend: Backend) -> None:
    refusals = {name: backend.supports(case.node).reason for name, case in EVERYWHERE.items()}
    assert not any(refusals.values()), refusals


def test_support_is_pure_and_a_refusal_has_its_reason(backend: Backend) -> None:
    for name, case in SAMPLES.items():
        support = backend.supports(case.node)
        assert support == backend.supports(case.node), name
        assert bool(support) == (support.reason == ""), name


def test_modelled_devices_estimate_and_measured_ones_do_not(
    backend: Backend, supported: Sequence[Sample]
) -> None:
    for case in supported:
        estimate = backend.estimate(case.node)
        assert (estimate is not None) == (backend.device.basis == "modelled")
        assert estimate is None or 0 < estimate.run_s < 1
        assert estimate == backend.estimate(case.node)


def test_outputs_are_those_of_the_reference(
    spec: str, backend: Backend, supported: Sequence[Sample]
) -> None:
    for case in supported:
        feeds = case.feeds()
        outputs = _run(backend, backend.prepare(case.stage), feeds)
        expected = case.reference(feeds)
        assert len(outputs) == len(case.stage.outputs) == len(expected)
        for value, output, reference in zip(case.stage.outputs, outputs, expected, strict=True):
            assert (output.dtype.name, output.shape) == (value.dtype, value.shape)
            largest = float(np.abs(reference).max())
            assert np.abs(output - reference).max() <= TOLERANCES[spec] * largest


def test_inputs_are_not_changed(backend: Backend, executables: dict[str, Executable]) -> None:
    for name, executable in executables.items():
        inputs = _to_memory(backend, EVERYWHERE[name].feeds())
        before = _bits(inputs)
        executable(inputs)
        assert _bits(inputs) == before, name


@pytest.mark.parametrize("lie", [*LAID_OUT])
def test_inputs_may_lie_in_any_way(
    backend: Backend, executables: dict[str, Executable], lie: str
) -> None:
    """Pictures come with their channels last and turned, files come mapped and read-only."""
    for name in ("Mul of 240 kB", "MatMul of 144 kB"):
        feeds = EVERYWHERE[name].feeds()
        laid_out = [LAID_OUT[lie](feed) for feed in feeds]
        (expected,) = _run(backend, executables[name], feeds)
        (found,) = _run(backend, executables[name], laid_out)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_results_stay_as_they_are_in_later_runs(
    backend: Backend, executables: dict[str, Executable]
) -> None:
    for name, executable in executables.items():
        case = EVERYWHERE[name]
        first = executable(_to_memory(backend, case.feeds(seed=1)))
        before = _bits(first)
        later = _bits(executable(_to_memory(backend, case.feeds(seed=2))))
        assert _bits(first) == before != later, name


def test_runs_are_identical_on_one_thread_and_on_many(
    backend: Backend, executables: dict[str, Executable]
) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for name, executable in executables.items():
            feeds = [EVERYWHERE[name].feeds(seed=seed) for seed in range(3 * THREADS)]
            batches = [_to_memory(backend, each) for each in feeds]
            bits = partial(_bits_of, executable)
            expected = [*map(bits, batches)]
            assert [*pool.map(bits, batches)] == expected, name
            assert len(set(map(tuple, expected))) == len(batches), name


def test_device_lives_in_its_memory(backend: Backend) -> None:
    assert backend.device.memory == backend.memory.name
    assert backend.device.description


def test_configurations_are_of_the_same_device(spec: str, backend: Backend) -> None:
    """And whoever has one offers no further ones."""
    for configuration in backends.configurations(backend):
        other = backends.create(backends.configured(spec, configuration))
        assert (other.device.name, other.memory) == (backend.device.name, backend.memory)
        assert other != backend
        assert backends.configurations(other) == ()


def test_a_device_keeps_a_resource_busy(backend: Backend) -> None:
    device = backend.device
    assert device.resource
    assert device.cores >= 1


def test_a_device_that_computes_on_floats_by_itself_says_how(spec: str, backend: Backend) -> None:
    """`null` leaves it to the model, whatever that has."""
    precision = backend.device.precision
    word = precision.partition(",")[0]
    formats = {"f64", "f32", "f16", "bf16", "f8", "int8", "int4"}
    formats |= {"int8-dynamic", "int8-static", "int8-weights", "int4-weights"}
    assert word in ({""} if spec.startswith("null") else formats)


def test_links_join_the_memory_to_the_host_both_ways(backend: Backend) -> None:
    ends = {(link.source, link.target) for link in backend.links}
    memory = backend.memory.name
    assert ends == (set() if memory == HOST else {(HOST, memory), (memory, HOST)})


def test_links_are_estimated_if_and_only_if_they_are_modelled(backend: Backend) -> None:
    small, large = (
        sample(f"(float[{n}] x) => (float[{n}] y) {{ y = Relu(x) }}") for n in (1, 10**6)
    )
    for link in backend.links:
        costs = [link.estimate(case.node.inputs[0]) for case in (small, large)]
        if link.basis == "measured":
            assert costs == [None, None]
            continue
        assert costs[0] is not None
        assert costs[1] is not None
        assert 0 < costs[0].run_s < costs[1].run_s


def test_a_value_survives_the_way_there_and_back(spec: str, backend: Backend) -> None:
    tensor = SAMPLES["Relu"].feeds()[0]
    (back,) = _to_host(backend, _to_memory(backend, [tensor]))
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
    np.testing.assert_allclose(back, tensor, rtol=TOLERANCES[spec])


def _run(backend: Backend, executable: Executable, feeds: Sequence[Tensor]) -> list[Tensor]:
    return _to_host(backend, executable(_to_memory(backend, feeds)))


def _to_memory(backend: Backend, tensors: Sequence[Tensor]) -> list[Tensor]:
    return _transferred(tensors, [link for link in backend.links if link.source == HOST])


def _to_host(backend: Backend, tensors: Sequence[Tensor]) -> list[Tensor]:
    return _transferred(tensors, [link for link in backend.links if link.target == HOST])


def _transferred(tensors: Sequence[Tensor], links: Sequence[LinkDriver]) -> list[Tensor]:
    """Over the one link; devices that live in the host's memory have none."""
    for link in links:
        tensors = [link.transfer(tensor) for tensor in tensors]
    return list(tensors)


def _bits_of(executable: Executable, inputs: Sequence[Tensor]) -> list[bytes]:
    return _bits(executable(inputs))


def _bits(outputs: Sequence[Tensor]) -> list[bytes]:
    return [np.asarray(output).tobytes() for output in outputs]
