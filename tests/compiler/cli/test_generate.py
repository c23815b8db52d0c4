"""`stagecut compile` and `generate` of a decoder: what they print, and what they refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import pytest

from stagecut.compiler.cli.app import app
from stagecut.compiler.cli.streams import RESULTS
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.measure.supervisor import PRINTED_NOTE
from tests.support import encoder_decoders
from tests.support.command_line import Said, stagecut
from tests.support.decoders import PROMPT, PlainLoop, decoder_plan, tiny_decoder
from tests.support.onnx_models import MODELS
from tests.support.tokenizers import word_tokenizer

Run: TypeAlias = Callable[..., Said]
EXPECTED = PlainLoop(tiny_decoder()).greedy(PROMPT, 8)
IDS = ",".join(map(str, PROMPT))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return lambda *arguments: stagecut(capsys, monkeypatch, *arguments)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "decoder.plan"
    decoder_plan(tiny_decoder()).save(path)
    return path


def test_from_a_model_to_tokens(run: Run, tmp_path: Path) -> None:
    """Its cache has names that only --state knows."""
    names = {"past_k": "k_in", "past_v": "v_in", "present_k": "k_out", "present_v": "v_out"}
    onnx.save(tiny_decoder(**names), tmp_path / "m.onnx")
    model, path = tmp_path / "m.onnx", tmp_path / "m.plan"
    states = ("--state", "k_in=k_out", "--state", "v_in=v_out")
    quick = ("--device", "cpu.serial", "--effort", "quick", "--no-cache")
    lengths = ("--objective", "generate:prompt=5,new=9", "--capacity", 40)
    said = run("compile", model, "-o", path, *states, *quick, *lengths, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)["decoding"]
    assert (found["prompt"], found["length"], found["capacity"]) == (5, 8, 40)
    assert found["accounting"] == "measured"
    assert found["first_token_s"] > 0
    assert found["token_s"] > 0
    assert found["answer_s"] == pytest.approx(found["first_token_s"] + 8 * found["token_s"])
    said = run("generate", path, "--prompt-ids", IDS, "--max-new", 8)
    assert (said.code, said.out.split()) == (0, [str(token) for token in EXPECTED])
    assert "first token after" in said.err
    said = run("report", path)
    assert "a sequence holds 40 tokens" in said.out
    assert "m.decode" in said.out
    assert "m.prefill" in run("report", path, "--entry", "prefill").out
    assert "m.prefill" in run("report", path, "--shape", "input_ids=1x5").out


def test_as_json(run: Run, plan: Path) -> None:
    said = run("generate", plan, "--prompt-ids", IDS, "--max-new", 8, "--json")
    found = json.loads(said.out)
    assert (found["schema"], found["tokens"]) == ("stagecut.generate/1", EXPECTED)
    assert found["memory_bytes"] == 90 * 64
    assert found["bandwidth_share"] > 0
    assert "text" not in found


def test_a_stream_notes_that_it_has_begun_to_print(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that nobody prints it all again, should an engine end the process then."""
    for how, noted in (((), False), (("--stream",), True)):
        asked = ["generate", str(plan), "--prompt-ids", IDS, "--max-new", "2", *how]
        try:
            app(asked, obj=tmp_path, standalone_mode=False)
        finally:
            RESULTS.join()
        assert (tmp_path / PRINTED_NOTE).exists() is noted
    assert capsys.readouterr().out


def test_a_benchmark(run: Run, plan: Path) -> None:
    asked = ("generate", plan, "--benchmark", "prompt=7,new=4")
    said = run(*asked)
    assert said.code == 0, said.err
    for words in ("behind 7 tokens", "median of 3 in each of 3 runs", "GB/s that this machine"):
        assert words in said.out
    found = json.loads(run(*asked, "--json").out)
    assert (found["schema"], len(found["tokens"])) == ("stagecut.generate/1", 4)
    assert found["memory_bytes"] == 90 * 64
    assert found["tokens_per_s"] == pytest.approx(1 / found["token_s"])
    rate = found["step_bytes"] / found["token_s"]
    assert found["bandwidth_share"] == pytest.approx(rate / found["read_bytes_per_s"])


def test_text_as_it_comes(run: Run, plan: Path, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is an extra")
    tokenizer = word_tokenizer(tmp_path / "tokenizer.json")
    prompt = " ".join(f"w{token}" for token in PROMPT)
    asked = ("generate", plan, "--prompt", prompt, "--tokenizer", tokenizer, "--max-new", 8)
    expected = " ".join(f"w{token}" for token in EXPECTED) + "\n"
    assert run(*asked).out == run(*asked, "--stream").out == expected
    assert json.loads(run(*asked, "--json").out)["text"] + "\n" == expected


def test_text_until_a_text(run: Run, plan: Path, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is an extra")
    tokenizer = word_tokenizer(tmp_path / "tokenizer.json")
    asked = ("generate", plan, "--prompt-ids", IDS, "--tokenizer", tokenizer, "--max-new", 8)
    words = [f"w{token}" for token in EXPECTED]
    expected = " ".join(words[: words.index(words[4])])
    for how in ((), ("--stream",)):
        assert run(*asked, *how, "--stop", words[4]).out.strip() == expected


def test_several_at_once(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "two.plan"
    options = DecodingOptions(prompt=5, capacity=90, sequences=2)
    decoder_plan(tiny_decoder(), decoding=options).save(path)
    asked = ("generate", path, "--prompt-ids", IDS, "--prompt-ids", "4,2", "--max-new", 8)
    other = PlainLoop(tiny_decoder()).greedy((4, 2), 8)
    lines = run(*asked).out.splitlines()
    assert [[*map(int, line.split())] for line in lines] == [EXPECTED, other]
    found = json.loads(run(*asked, "--json").out)
    assert [each["tokens"] for each in found["answers"]] == [EXPECTED, other]
    assert "tokens" not in found
    assert found["memory_bytes"] == 2 * 90 * 64
    said = run("generate", path, "--benchmark", "prompt=7,new=4")
    assert "2 tokens" in said.out
    assert (
        "each of 2 sequences holds 90 tokens in 5.62 KiB, 64 B a token" in run("report", path).out
    )


def test_tokens_as_they_come_until_one(run: Run, plan: Path) -> None:
    asked = ("generate", plan, "--prompt-ids", IDS, "--max-new", 8, "--stream")
    assert run(*asked).out.split() == [str(token) for token in EXPECTED]
    assert run(*asked, "--stop-ids", EXPECTED[0]).out.split() == []


def test_by_chance(run: Run, plan: Path) -> None:
    asked = ("generate", plan, "--prompt-ids", IDS, "--temperature", 5, "--top-k", 9, "--seed")
    assert run(*asked, 1).out == run(*asked, 1).out != run(*asked, 2).out


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        ((), 2, "there has to be a prompt, of one kind"),
        (("--prompt", "a", "--prompt-ids", "1"), 2, "there has to be a prompt, of one kind"),
        (("--prompt-ids", "1,x"), 2, "'1,x' is no list of tokens"),
        (("--prompt-ids", ""), 2, "'' is no list of tokens"),
        (("--prompt-ids", "1", "--stop-ids", "-"), 2, "--stop-ids: '-' is no list of tokens"),
        (("--prompt-ids", "99"), 1, "there is no token 99"),
        (("--prompt-ids", ",".join("1" * 91)), 1, "it has 91 tokens, and a sequence holds 90"),
        (("--prompt-ids", "1", "--max-new", "99"), 1, "a sequence of 90 is full"),
        (("--prompt", "a"), 2, "a text needs a tokenizer"),
        (("--prompt", "a", "--tokenizer", "no.json"), 2, "tokenizer no.json: No such file"),
        (("--prompt-ids", "1", "--top-p", "2"), 2, "top-p: it makes no sense"),
        (("--prompt-ids", "1", "--json", "--stream"), 2, "--json prints everything at once"),
        (("--benchmark", "prompt=1"), 2, "'prompt=1' does not say how many tokens"),
        (("--benchmark", "prompt=1,new=x"), 2, "'prompt=1,new=x' does not say how many"),
        (("--benchmark", "prompt=1,new=1"), 2, "1 and 1 new tokens measure nothing"),
        (("--benchmark", "prompt=91,new=2"), 1, "it has 91 tokens, and a sequence holds 90"),
        (("--benchmark", "prompt=1,new=2", "--stop-ids", "1"), 2, "it brings tokens of its own"),
        (("--benchmark", "prompt=1,new=2", "--stop", "a"), 2, "it brings tokens of its own"),
        (("--prompt-ids", "1", "--stop", "a"), 2, "stops: a text needs a tokenizer"),
        (("--prompt-ids", "1", "--prompt-ids", "2"), 1, "2 given, and the plan answers 1 at once"),
        (("--prompt-ids", "1", "--prompt-ids", "2", "--stream"), 2, "into each other"),
    ],
)
def test_what_it_refuses(
    run: Run, plan: Path, arguments: tuple[str, ...], code: int, problem: str
) -> None:
    said = run("generate", plan, *arguments)
    assert (said.code, said.out) == (code, "")
    assert problem in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--state", "x"), "'x' does not pair an input with an output"),
        (("--state", "x=y"), "the model has no input 'x'"),
        (("--prompt", 50, "--capacity", 40), "a prompt of 50 tokens leaves no room"),
        (("--capacity", 1), "capacity: it is 1"),
        (("--objective", "throughput"), "a decoder does not stream"),
        (("--objective", "generate:new=2"), "does not say how long the answer is"),
        (("--objective", "generate:prompt=5,new=5", "--capacity", 8), "do not fit into a sequence"),
    ],
)
def test_what_compile_refuses(
    run: Run, tmp_path: Path, arguments: tuple[object, ...], problem: str
) -> None:
    onnx.save(tiny_decoder(), tmp_path / "m.onnx")
    asked = ("compile", tmp_path / "m.onnx", "-o", tmp_path / "m.plan", "--device", "cpu.serial")
    said = run(*asked, "--no-cache", *arguments)
    assert said.code == 2
    assert problem in said.err


def test_other_commands_say_that_it_is_a_decoder(run: Run, plan: Path) -> None:
    said = run("run", plan, "--random", 0)
    assert said.code == 1
    assert "has no entry 'main'; it has prefill, decode" in said.err
    assert "stagecut generate" in said.err


def test_what_a_token_takes_is_reported_first(run: Run, plan: Path) -> None:
    said = run("report", plan)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == "Entries"
    first, second = (line.split()[:5] for line in lines[3:5])
    assert first == ["decode", "1", "token", "behind", "47"]
    assert second[:3] == ["prefill", "5", "tokens"]
    assert ", decode " in said.out
    found = json.loads(run("report", plan, "--json").out)
    assert found["entry"] == "decode"
    assert [row["entry"] for row in found["entries"]] == ["decode", "prefill"]
    assert found["entries"][0]["predicted"] == found["summary"]["predicted"]
    assert "it has" not in run("report", plan, "--nodes", "--entry", "prefill").err


def test_each_entry_is_compared(run: Run, plan: Path, tmp_path: Path) -> None:
    assert run("diff", plan, plan).code == 0
    said = run("diff", plan, plan, "--json")
    found = json.loads(said.out)
    assert said.code == 0
    assert [*found["entries"]] == ["decode", "prefill"]
    assert found["differs"] is False
    assert found["times"] == found["entries"]["decode"]["times"]
    assert "entries" not in json.loads(run("diff", plan, plan, "--entry", "prefill", "--json").out)
    onnx.save(MODELS["residual"].proto(), tmp_path / "m.onnx")
    quick = ("--device", "cpu.serial", "--effort", "quick", "--no-cache")
    assert run("compile", tmp_path / "m.onnx", "-o", tmp_path / "m.plan", *quick).code == 0
    said = run("diff", plan, tmp_path / "m.plan", "--entry", "main")
    assert (said.code, "'main' is not one of prefill, decode" in said.err) == (2, True)


def test_each_entry_is_measured_beside_others(run: Run, plan: Path) -> None:
    few = ("--rounds", 1, "--seconds", 0.01, "--against", "onnxruntime")
    said = run("bench", plan, *few, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [*found["entries"]] == ["decode", "prefill"]
    assert found["rows"] == found["entries"]["decode"]["rows"]
    assert all("latency_s" in row for each in found["entries"].values() for row in each["rows"])
    said = run("bench", plan, *few, "--entry", "prefill")
    assert (said.code, said.out.splitlines()[0].split(":")[0]) == (0, "prefill")
    assert "--objective throughput" not in said.out
    np.save(plan.with_name("ids.npy"), np.array([[1]]))
    said = run("bench", plan, *few, "--input", f"input_ids={plan.with_name('ids.npy')}")
    assert (said.code, "say which: --entry decode" in said.err) == (2, True)


def test_an_encoder_decoder(run: Run, tmp_path: Path) -> None:
    """From two files whose names say nothing, and from a folder."""
    encoder_decoders.write_folder(tmp_path, "two files")
    encoder, decoder = (tmp_path / f"{name}_model.onnx" for name in ("encoder", "decoder"))
    source = encoder_decoders.source_of(7, 2, 11)
    files = []
    for name, array in source.items():
        np.save(tmp_path / f"{name}.npy", array)
        files += ["--input", f"{name}={tmp_path / name}.npy"]
    expected = encoder_decoders.PlainLoop().greedy(source, PROMPT, 6)
    quick = ("--device", "cpu.serial", "--effort", "quick", "--no-cache", "--capacity", 20)
    for model in ((tmp_path,), (decoder, "--encoder", encoder)):
        path = tmp_path / "m.plan"
        said = run("compile", *model, "-o", path, "--shape", "input_ids=1x3", *quick)
        assert said.code == 0, said.err
        assert "encode " in said.out
        said = run("generate", path, "--prompt-ids", IDS, "--max-new", 6, *files)
        assert (said.code, said.out.split()) == (0, [str(token) for token in expected])
    said = run("generate", path, "--prompt-ids", IDS)
    assert (said.code, "the model has an encoder" in said.err) == (1, True)
    asked = ("generate", path, "--benchmark", "prompt=3,new=2", *files, "--json")
    assert json.loads(run(*asked).out)["memory_bytes"] > 0
    asked = ("compile", decoder, "-o", path, "--encoder", encoder, "--hand", "x", *quick)
    assert "'x' does not pair an output with an input" in run(*asked).err
    said = run("compile", tmp_path, "-o", encoder, *quick)
    assert (said.code, "encoder_model.onnx" in said.err) == (2, True)
