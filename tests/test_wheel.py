"""The wheel builds, installs into a clean environment, and works there without the checkout."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.repository import ROOT

PACKAGES = ("compiler", "passes", "backends", "runtime", "models")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing of stagecut but the wheel; dependencies are borrowed."""
    folder = tmp_path_factory.mktemp("wheel")
    _do(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    [wheel] = folder.glob("stagecut-*.whl")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    _do(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", wheel)
    [site] = (folder / "env" / "lib").glob("python*/site-packages")
    # A path file adds the folder, but not what the editable install does through path files there.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python


def _do(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, cwd=cwd, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_everything_comes_from_the_wheel(python: Path, tmp_path: Path) -> None:
    code = "import stagecut.compiler.ir.graph as g; print(g.__file__)"
    assert str(python.parent.parent) in _do(python, "-c", code, cwd=tmp_path)


def test_the_installed_command_compiles_runs_and_reports(python: Path, tmp_path: Path) -> None:
    stagecut = python.parent / "stagecut"
    devices = ("--device", "cpu.serial", "--device", "pim.hbm")
    arguments = ("compile", "zoo:tiny-mlp", "-o", "x.plan", "--no-cache", *devices)
    _do(stagecut, *arguments, cwd=tmp_path)
    assert "latency" in _do(stagecut, "run", "x.plan", "--random", 0, cwd=tmp_path)
    _do(stagecut, "report", "x.plan", "--html", "x.html", cwd=tmp_path)
    assert (tmp_path / "x.html").stat().st_size > 0


def test_every_file_of_the_packages_is_in_it(python: Path) -> None:
    """Modules, templates, styles, presets, types and what is said of each folder."""
    [package] = (python.parent.parent / "lib").glob("python*/site-packages/stagecut")
    ours = {
        path.relative_to(ROOT)
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {Path(name) / "py.typed" for name in PACKAGES} <= ours
    assert {".py", ".j2", ".css", ".js", ".toml", ".md"} <= {path.suffix for path in ours}
    assert not [str(path) for path in sorted(ours) if not (package / path).is_file()]
