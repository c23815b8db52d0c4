"""What a many-core device refuses, with the reason."""

from pathlib import Path

import pytest

from stagecut import backends
from stagecut.backends.manycore.parameters import BYTES, of_precision
from stagecut.compiler.ir.errors import DeviceError
from tests.support.manycore import manycore

REFUSED = {
    "precision=fp4": "fp4.* is not one of fp64, fp32, fp16, fp8",
    "library=fast": "is not one of optimised, baseline",
    "clusters=0": "clusters: 0 is less than 1",
    "ports=0": "ports: 0 is less than 1",
    "cores=9": "9 cores have more ports than the tree of a bank",
    "banks=24": "24 is not a power of two",
    "dma_bytes=60": "60 is not a number of banks",
    "reserved_bytes=131072": "leaves nothing of the scratchpad",
    "scratchpad_bytes=40960": "a tile of 8 x 64 x 512 bytes takes 40960 bytes.*room for 28672",
    "double_buffer=on,scratchpad_bytes=90112": "takes 81920 bytes.*room for 77824",
    "tile_inner_bytes=4096": "a tile of 8 x 64 x 4096 bytes",
    "capacity_bytes=1024": "is less than the scratchpads hold",
    "lanes_fp64=3": "3 do not fill a register of 64 bits",
    "hbm_bytes_per_cycle=0": "hbm_bytes_per_cycle: 0.0 is less than 1",
    "lanes_fp64=2": "lanes_fp64: 2 numbers of 8 bytes are more than a register",
    "library=baseline,find_tiles=on": "find_tiles: the baseline library has no such kernels",
    "library=baseline,split_n=on": "split_n: the baseline library has no such kernels",
    "fpu_j=-1": "would gain energy",
    "core_cycle_j=-1e-12": "would gain energy",
    "sync_s=-1": "would gain time",
    "link_bytes_per_s=0": "nothing would ever finish",
    "dma_poll=0": "who waits looks once a cycle",
    "dma_read=-1": "is less than 0",
    "fp8=e5m2": "e5m2 says nothing about fp64",
    "numerics=slow": "is not one of fast, exact",
    "clocks=3": "unknown option 'clocks'",
}


@pytest.mark.parametrize(("options", "reason"), REFUSED.items(), ids=REFUSED.keys())
def test_nonsense_is_refused_with_the_reason(options: str, reason: str) -> None:
    with pytest.raises(DeviceError, match=reason) as error:
        backends.create(f"manycore.snitch16:{options}")
    assert error.value.fix


def test_tiles_that_are_found_fit_wherever_the_library_s_do_not() -> None:
    backend = manycore("manycore.snitch16:scratchpad_bytes=40960,find_tiles=on")
    assert backend.estimate_operator("MatMul", [(64, 256), (256, 64)]).cycles > 0


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "half.toml"
    path.write_text(
        'architecture = "snitch16"\n[geometry]\nclusters = 8\n[levers]\nnear_exp = true\n'
    )
    backend = manycore(f"manycore:{path},precision=fp8")
    assert backend.name == "manycore.half"
    assert backend.chip.geometry.clusters == 8
    assert backend.chip.levers.near_exp
    assert backend.chip.precision == "fp8"
    canonical = backends.canonical_spec(f"manycore:{path},precision=fp8")
    assert str(path) not in canonical
    assert backends.create(canonical) == backend


def test_a_file_with_unknown_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('architecture = "occamy"\n[geometry]\ncluster = 8\n')
    with pytest.raises(DeviceError, match="unknown name 'cluster'") as error:
        backends.create(f"manycore:{path}")
    assert "clusters" in str(error.value.fix)


@pytest.mark.parametrize("precision", BYTES)
def test_a_precision_picks_its_numbers(precision: str) -> None:
    section = {"call_fp64": 1, "call_fp32": 2, "call_fp16": 3, "call_fp8": 4, "row": 5}
    found = of_precision(section, precision)
    assert found == {"call": 1 + list(BYTES).index(precision), "row": 5}


def test_numbers_of_a_preset_have_their_source() -> None:
    """A label in brackets beside every one."""
    folder = Path(backends.__file__ or "").parent / "manycore" / "presets"
    for path in sorted(folder.glob("*.toml")):
        body = path.read_text("utf-8").partition("architecture =")[2]
        for line in body.splitlines()[1:]:
            if "=" in line.partition("#")[0]:
                assert "# [" in line, line
