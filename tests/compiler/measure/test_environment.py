"""What this machine and its software are."""

import platform
from pathlib import Path

from stagecut.compiler.measure.environment import cpu_model, instruction_sets, versions


def test_the_cpu_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: Example CPU @ 3.00GHz: turbo\n")
    assert cpu_model(path) == "Example CPU @ 3.00GHz: turbo"


def test_the_architecture_where_the_cpu_has_no_name(tmp_path: Path) -> None:
    assert cpu_model(tmp_path / "nowhere") == platform.machine()
    (tmp_path / "cpuinfo").write_text("processor: 0\n")
    assert cpu_model(tmp_path / "cpuinfo") == platform.machine()


def test_versions_of_what_a_plan_depends_on() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert {"stagecut", "onnx", "onnxruntime"} <= found.keys()


def test_instruction_sets_that_count_for_few_bits(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(
        "processor : 0\nflags\t\t: fpu sse2 avx2 avx512_vnni avx512f_not\n\nflags : none\n"
    )
    assert instruction_sets(info) == ("avx2", "avx512_vnni")
    info.write_text("processor : 0\nFeatures : fp asimd\n")
    assert instruction_sets(info) == ()
    assert instruction_sets(tmp_path / "missing") == ()
