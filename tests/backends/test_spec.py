"""Device specs as text, both ways, and what is said about bad ones."""

import pytest

from stagecut.backends.spec import Spec
from stagecut.compiler.ir.errors import DeviceError

SPECS = {
    "cpu.serial": Spec("cpu.serial"),
    "cpu.parallel:threads=4": Spec("cpu.parallel", {"threads": "4"}),
    "null:operators=Add+Mul,run_s=1e-6": Spec("null", {"operators": "Add+Mul", "run_s": "1e-6"}),
    "a:where=b:c": Spec("a", {"where": "b:c"}),
    "small=pim.hbm": Spec("pim.hbm", own="small"),
    "a-1=pim.hbm:channels=16": Spec("pim.hbm", {"channels": "16"}, "a-1"),
    "a:where=b.toml:c": Spec("a", {"where": "b.toml:c"}),
}
OTHERWISE_WRITTEN = {
    "a file": ("pim:my/own.toml", "pim:preset=my/own.toml"),
    "a file and options": ("pim:own.toml,channels=8", "pim:preset=own.toml,channels=8"),
    "a file and options behind a colon": ("pim:own.toml:n=8", "pim:preset=own.toml,n=8"),
    "a file of a device with a name": ("a=pim:own.toml", "a=pim:preset=own.toml"),
    "nothing behind the colon": ("cpu.serial:", "cpu.serial"),
    "a comma too many": ("cpu.parallel:threads=4,", "cpu.parallel:threads=4"),
}
BAD = {
    "no value": ("cpu.parallel:threads", "option 'threads' is not of the form key=value"),
    "an empty value": ("cpu.parallel:threads=", "option 'threads=' is not of the form"),
    "a name that routes cannot have": ("a>b=pim.hbm", "'a>b' is no name for a device"),
    "an empty name": ("=pim.hbm:channels=4", "'' is no name for a device"),
    "two names": ("a=b=pim.hbm", "'a=b' is no name for a device"),
    "no key": ("cpu.parallel:=4", "option '=4' is not of the form"),
    "a file that is not the first": ("pim:n=8,own.toml", "option 'own.toml' is not of the form"),
    "an option twice": ("cpu.parallel:threads=4,threads=5", "option 'threads' is given twice"),
}


@pytest.mark.parametrize(("text", "spec"), SPECS.items())
def test_specs_are_read_and_written(text: str, spec: Spec) -> None:
    assert Spec.parse(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    ("text", "usual"), OTHERWISE_WRITTEN.values(), ids=OTHERWISE_WRITTEN.keys()
)
def test_there_is_one_usual_way_to_write_a_spec(text: str, usual: str) -> None:
    assert str(Spec.parse(text)) == usual


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD.keys())
def test_bad_specs(text: str, problem: str) -> None:
    with pytest.raises(DeviceError) as error:
        Spec.parse(text)
    assert problem in error.value.problem
    assert error.value.where == f"device {text}"
    assert error.value.fix


@pytest.mark.parametrize("text", ["pim:mine.toml", "pim:preset=x", "cpu:a=/b", "cpu:a=b\\c"])
def test_in_a_plan_no_option_names_a_file(text: str) -> None:
    with pytest.raises(DeviceError, match="names a file, and a plan holds numbers"):
        Spec.of_plan(text)


def test_in_a_plan_numbers_and_words_are_as_elsewhere() -> None:
    text = "pim:architecture=hbm,name=mine,tCCDL=6,refresh=off"
    assert Spec.of_plan(text) == Spec.parse(text)
