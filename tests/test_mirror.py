"""Tests mirror the tree: each module is tested by the module at the same place under tests/.

compiler/ir/machine.py    tests/compiler/ir/test_machine.py

What is tested elsewhere, or is not tested by itself, stands below with the reason. A file in
tests/ that mirrors nothing asks a question of several modules: its name says which.
"""

from collections.abc import Iterator
from pathlib import Path

from tests.support.repository import ROOT

PACKAGES = ("compiler", "passes", "backends", "runtime", "models")

#: Modules, or folders whose modules may do without a test of their own.
ELSEWHERE = {
    "compiler/cli/": "asked as a user does: test_commands, test_partition, test_bad_input, ...",
    "compiler/formats/costs_schema.py": "what of it is written and read: test_costs_json.py",
    "compiler/frontends/external_data.py": "models with weights in files: test_onnx_file.py",
    "compiler/frontends/normal_form/": "what each step makes of a model: test_normalise.py",
    "compiler/ir/along_length.py": "data without a rule of its own",
    "compiler/ir/checks.py": "data without a rule of its own",
    "compiler/ir/program.py": "data without a rule of its own",
    "compiler/ir/recorded.py": "data without a rule of its own",
    "compiler/plan_entry.py": "its variants: test_pipeline.py; its batches: test_batches.py",
    "compiler/mixed_plan.py": "what is made of it ships: test_mixed_stream.py",
    "compiler/variant_batches.py": "test_batches.py, test_mixed_stream.py",
    "compiler/report/model/content.py": "data without a rule of its own",
    "compiler/report/page/marks.py": "drawn with the charts: test_charts.py",
    "compiler/report/terminal/": "golden files of what is printed: test_report.py",
    "backends/cpu/": "every backend is asked the same: tests/backends/test_contract.py",
    "backends/openvino/": "every backend is asked the same: tests/backends/test_contract.py",
    "backends/manycore/kernels/": "row by row: manycore/test_timing.py, manycore/test_kernels.py",
    "backends/manycore/link.py": "every backend is asked the same: tests/backends/test_contract.py",
    "backends/pim/": "by question, of every architecture: timing, energy, layout, numerics",
}


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py":
                yield path.relative_to(ROOT)


def _test_of(module: Path) -> Path:
    return ROOT / "tests" / module.parent / f"test_{module.stem}.py"


def _reason(module: Path) -> str:
    name = module.as_posix()
    return next((key for key in ELSEWHERE if name == key or _is_inside(name, key)), "")


def _is_inside(name: str, key: str) -> bool:
    return key.endswith("/") and name.startswith(key)


def test_every_module_has_a_test_module_at_the_same_place() -> None:
    without = [module for module in _without() if not _reason(module)]
    assert not without, (
        f"write {[str(_test_of(module).relative_to(ROOT)) for module in without]}, or say in "
        f"{Path(__file__).name} why not"
    )


def test_the_list_names_only_what_is_there_and_has_no_test() -> None:
    assert {*ELSEWHERE} == {*map(_reason, _without())} - {""}


def _without() -> list[Path]:
    """The modules that have no test module."""
    return [module for module in _modules() if not _test_of(module).is_file()]
