"""An adapter is made once."""

from stagecut.compiler.formats.type_adapters import adapter_of


def test_there_is_one_for_each_type() -> None:
    assert adapter_of(dict[str, int]) is adapter_of(dict[str, int])
    assert adapter_of(str).validate_python("a") == "a"
    assert adapter_of(dict[str, int]).validate_json('{"a": 1}') == {"a": 1}
