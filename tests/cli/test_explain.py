"""`app.py explain`: what is printed of a prompt at a step, and the exit codes."""

from __future__ import annotations

import pytest

import app


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ATELIER_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("COMMANDLINE_ARGS", raising=False)

    def call(*words):
        code = app.main(["explain", *words])
        said = capsys.readouterr()
        return code, said.out, said.err
    return call


@pytest.mark.parametrize(("prompt", "step", "line"), [
    ("a (red:1.3) car", "1", "  a red×1.3 car"), ("[snow:night:0.5]", "12", "  snow"), ("[snow:night:0.5]", "13", "  night"),
    ("[cat|dog]", "2", "  dog"), ("a cat AND a dog :0.5", "1", "Prompt 2 of 2, weight 0.5"), ("[a:b:0.4]", "1", "   11  b"),
    ("a AND b <region:0,.5,1,.5>", "1", "Prompt 2 of 2, weight 1, in <region:0,0.5,1,0.5>"),
    ("# note\nfox", "1", "  fox"), ("(open", "1", "A bracket is not closed")], ids=str)
def test_what_holds_at_a_step_is_printed(run, prompt, step, line):
    code, out, _ = run(prompt, "--step", step, "--steps", "25")
    assert code == 0 and any(printed.startswith(line) for printed in out.splitlines()), out


def test_an_unknown_lora_is_trouble_and_exit_code_1(run):
    code, out, _ = run("a car <lora:nope:1>")
    assert code == 1 and out.startswith("! LoRA: nope - not found")


@pytest.mark.parametrize(("words", "line"), [
    (("--step", "9", "--steps", "8"), "--step: 9 - not a step of this run. Allowed: 1-8."), (("--steps", "0"), "--steps: 0"),
    (("--emphasis", "loud"), "--emphasis: loud"), (("--model", "nothing"), "Model: nothing"),
    (("--step", "x"), "invalid int")], ids=str)
def test_bad_input_is_one_line_and_exit_code_2(run, words, line):
    code, out, err = run("a car", *words)
    assert (code, out) == (2, "") and line in err and len(err.splitlines()) == 1
