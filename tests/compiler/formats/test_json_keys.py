"""Keys that stand twice in one JSON object are found, wherever they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.formats.json_keys import has_no_more_keys, repeated_key

FOUND = {
    "at the top": ('{"a": 1, "b": 2, "a": 3}', "a"),
    "in a list of objects": (
        '{"nodes": [{"x": 1}, {"run_s": {"pim": 1, "pim": 2}}]}',
        "nodes[1].run_s.pim",
    ),
    "in a list of lists": ('[[1, [{"k": null, "k": null}]]]', "[0][1][0].k"),
    "spelt in two ways": ('{"a": 1, "\\u0061": 2}', "a"),
    "the first of several": ('{"b": {"c": 1, "c": 2}, "a": 1, "a": 2}', "b.c"),
}


@pytest.mark.parametrize(("text", "path"), FOUND.values(), ids=FOUND.keys())
def test_the_path_of_the_first(text: str, path: str) -> None:
    assert repeated_key(text) == path


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(ANYTHING)
def test_what_json_writes_has_none(document: object) -> None:
    assert repeated_key(json.dumps(document)) is None


COUNTED = {
    "keys": ('{"a": 1, "b" : {"c"\n:2}}', 3, True),
    "one of them twice": ('{"a": 1, "b": 2, "a": 3}', 2, False),
    "spelt in two ways": ('{"a": 1, "\\u0061": 2}', 1, False),
    "a string that looks like one": ('{"a": "b\\":"}', 1, False),
    "a string with a colon": ('{"a": "b:c"}', 1, True),
    "none": ("[1, 2]", 0, True),
}


@pytest.mark.parametrize(("text", "keys", "none_left"), COUNTED.values(), ids=COUNTED.keys())
def test_counting_says_no_rather_than_yes(text: str, keys: int, none_left: bool) -> None:
    assert has_no_more_keys(text, keys) is none_left
    assert has_no_more_keys(text.encode(), keys) is none_left
