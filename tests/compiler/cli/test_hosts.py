"""Several hosts as a user asks for them, where there is no cluster; with one: test_cluster.py."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import Said
from tests.support.over_hosts import plan_over_hosts


def test_without_ray_commands_name_it(
    run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan_over_hosts().save(tmp_path / "a.plan")
    monkeypatch.setitem(sys.modules, "ray", None)
    for command in (
        ("hosts", "-o", tmp_path / "machine.json"),
        ("run", tmp_path / "a.plan", "--cluster", "auto", "--random", "0"),
    ):
        said = run(*command)
        assert said.code == 1
        assert "pip install 'stagecut[hosts]'" in said.err
    assert not (tmp_path / "machine.json").exists()


def test_a_plan_over_hosts_says_that_it_needs_a_cluster(
    run: Callable[..., Said], tmp_path: Path
) -> None:
    plan_over_hosts().save(tmp_path / "a.plan")
    said = run("run", tmp_path / "a.plan", "--random", "0")
    assert said.code == 1
    assert "--cluster" in said.err


def test_a_machine_that_is_none_is_named(
    run: Callable[..., Said], model: Path, tmp_path: Path
) -> None:
    (tmp_path / "machine.json").write_text("{}")
    options = ("-o", tmp_path / "a.plan", "--machine", tmp_path / "machine.json")
    said = run("compile", model, *options)
    assert said.code == 1
    assert "stagecut.machine/1" in said.err
    said = run("compile", model, "--dry-run", *options)
    assert said.code == 2
    assert "--machine" in said.err
