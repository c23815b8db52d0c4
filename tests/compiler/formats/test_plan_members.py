"""Names of the members of a plan: those of `main` are what they were before there were others."""

from stagecut.compiler.formats.plan_members import (
    costs_file,
    defaults_file,
    file_prefix,
    model_file,
    stream_file,
)


def test_of_main() -> None:
    assert (model_file(), defaults_file()) == ("model.onnx", "defaults.onnx")
    assert (costs_file(0), stream_file(0), file_prefix(0)) == ("costs.json", "stream.json", "")
    assert costs_file(2) == "variant-2-costs.json"


def test_of_another_entry() -> None:
    assert (model_file("decode"), costs_file(0, "decode")) == (
        "decode-model.onnx",
        "decode-costs.json",
    )
    assert file_prefix(1, "decode") == "decode-variant-1-"
