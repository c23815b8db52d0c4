"""The devices that other packages bring: what their metadata says in the group of entry points.

    [stagecut.backends]
    tpu = my_package.tpu:create        name = module:factory

Nothing of a package is loaded here. One whose metadata cannot be read hides no other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points

from stagecut.compiler.ir.errors import told

GROUP = "stagecut.backends"


@dataclass(frozen=True, slots=True)
class Packages:
    """Where the factories of devices are, by device; and what is wrong with packages that may have
    others, by package."""

    factories: Mapping[str, str]
    broken: Mapping[str, str]


def packages() -> Packages:
    """Of all packages on the path; of several devices of one name, the first that Python finds."""
    try:
        return Packages(_first(entry_points(group=GROUP)), {})
    except Exception:  # one of many files, of anybody's, is no such file
        return _one_by_one()


def _one_by_one() -> Packages:
    found: dict[str, str] = {}
    broken: dict[str, str] = {}
    seen: set[str] = set()
    for each in distributions():
        try:
            name = each.name
            if name not in seen:  # as Python, which takes the first on the path
                found = {**_first(each.entry_points.select(group=GROUP)), **found}
            seen.add(name)
        except Exception as error:  # whatever reading it ends in
            if _may_have_devices(each):
                broken[_name(each)] = f"its entry points cannot be read: {told(error)}"
    return Packages(found, broken)


def _first(entries: Iterable[EntryPoint]) -> dict[str, str]:
    named: dict[str, str] = {}
    for entry in entries:
        named.setdefault(entry.name, entry.value)
    return named


def _may_have_devices(package: Distribution) -> bool:
    try:
        return GROUP in (package.read_text("entry_points.txt") or "")
    except Exception:  # it is no text
        return True


def _name(package: Distribution) -> str:
    """Of one whose metadata may have none."""
    try:
        return str(package.name)
    except Exception:
        return "a package without a name"
