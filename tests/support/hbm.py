"""The parameters of `pim.hbm`, for tests that vary them."""

import tomllib
from importlib.resources import files
from typing import Any

from stagecut.backends.pim.hbm.parameters import Geometry, Host, Timing

_TABLES = tomllib.loads(
    (files("stagecut.backends.pim") / "presets" / "hbm.toml").read_text("utf-8")
)


def _section(name: str) -> dict[str, Any]:
    return {key.lower(): number for key, number in _TABLES[name].items()}


TIMING = Timing(**_section("timing"))
GEOMETRY = Geometry(**_section("geometry"))
HOST = Host(**_section("host"))
