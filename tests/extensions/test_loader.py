"""The loader and the hooks: no extension stops the studio; each broken one is named and off."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from PIL import Image

from extensions.hooks import Tab
from extensions.loader import discover, load
from pipelines.settings import checked
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest

HEAD = """from extensions.hooks import hookimpl, Tab
from pipelines.spec.errors import FieldError
"""
BROKEN_AT_IMPORT = {
    "syntax": ("def (", "SyntaxError"), "import": ("import no_such_module_here", "no_such_module_here"),
    "exit": ("import sys; sys.exit(3)", "SystemExit"), "base": ("raise BaseException('x')", "BaseException"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"), "loop": ("while True: pass", "took more than"),
    "slow": ("import time; time.sleep(60)", "took more than"), "error": ("1 / 0", "ZeroDivisionError"),
    "recursion": ("def f(): f()\nf()", "RecursionError"), "nul": ("a = '\0'", "SyntaxError|ValueError"),
    "unknown_hook": (HEAD + "@hookimpl\ndef atelier_no_such_hook(): pass", "atelier_no_such_hook"),
    "unknown_argument": (HEAD + "@hookimpl\ndef atelier_tabs(colour): pass", "colour"),
    "wrapper": (HEAD + "@hookimpl(wrapper=True)\ndef atelier_tabs():\n    return (yield)", "wrapper"),
    "bad_factory": ("def extension(settings): raise ValueError('no')", "no"),
    "wants_more": ("def extension(settings, colour): pass", "colour"),
}
BROKEN_AT_WORK = {
    "raises": "raise RuntimeError('boom')", "exits": "import sys; sys.exit(1)", "base": "raise BaseException",
    "text": "return 'a cat'", "number": "return 7", "dict": "return {}", "slow": "import time; time.sleep(60)",
    "loop": "while True: pass", "recursion": "return atelier_transform_request(request)",
}


@pytest.fixture
def install(tmp_path):
    """Write one extension and return the settings whose user folder holds it."""
    def write(name, text, manifest=None):
        folder = tmp_path / "extensions" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(text)
        if manifest is not None:
            (folder / "extension.yaml").write_text(manifest)
        return checked({"data_dir": tmp_path, "disabled_extensions": ["realesrgan", "wildcards"]})
    return write


@pytest.mark.parametrize(("text", "named"), BROKEN_AT_IMPORT.values(), ids=BROKEN_AT_IMPORT)
def test_an_extension_that_breaks_at_import_is_named_and_left_out(install, text, named):
    install("good", HEAD + "@hookimpl\ndef atelier_tabs(): return [Tab('Good', print)]")
    began = time.monotonic()
    hooks = load(install("broken", text), seconds=0.5)
    assert time.monotonic() - began < 30 and hooks.names() == ["good"] and len(hooks.tabs()) == 1
    assert [f.extension for f in hooks.faults] == ["broken"] and any(n in hooks.faults[0].why for n in named.split("|"))


@pytest.mark.parametrize("body", BROKEN_AT_WORK.values(), ids=BROKEN_AT_WORK)
def test_a_hook_that_breaks_at_work_is_named_and_the_request_goes_on(install, body):
    hooks = load(install("broken", HEAD + f"@hookimpl\ndef atelier_transform_request(request):\n    {body}\n"))
    hooks.seconds = 0.3
    request = GenerationRequest(prompt="a cat")
    assert hooks.transform_request(request) == request == hooks.transform_request(request)
    assert [f.extension for f in hooks.faults] == ["broken"] and hooks.names() == []
    assert "atelier_transform_request" in str(hooks.faults[0])


@pytest.mark.parametrize(("hook", "call", "expected"), [
    ("atelier_image_request(request):\n    return request", lambda h: h.image_request(GenerationRequest()),
     (GenerationRequest(), {})),
    ("atelier_image_request(request):\n    return (request, {'a': 1})", lambda h: h.image_request(GenerationRequest()),
     (GenerationRequest(), {})),
    ("atelier_image_finished(image):\n    return image", lambda h: h.finished(Image.new("RGB", (2, 2)), None), None),
    ("atelier_tabs():\n    return ['Tab']", lambda h: h.tabs(), []),
    ("atelier_tabs():\n    return Tab('x', print)", lambda h: h.tabs(), []),
], ids=["no-extra", "extra-not-text", "finished-answers", "tabs-of-text", "one-tab"])
def test_an_answer_of_the_wrong_kind_is_left_out_and_named(install, hook, call, expected):
    hooks = load(install("broken", f"{HEAD}@hookimpl\ndef {hook}\n"))
    assert call(hooks) == expected and hooks.faults[0].extension == "broken"


def test_a_line_for_the_user_is_no_fault_of_the_extension(install):
    hooks = load(install("strict", HEAD + "@hookimpl\ndef atelier_transform_request(request):\n"
                                          "    raise FieldError('Prompt', 'x', 'too rude')\n"))
    with pytest.raises(FieldError, match="too rude"):
        hooks.transform_request(GenerationRequest())
    assert hooks.names() == ["strict"] and not hooks.faults


def test_extensions_see_what_the_one_before_them_made(install):
    text = HEAD + ("@hookimpl\ndef atelier_transform_request(request):\n"
                   "    return request.merged({'prompt': request.prompt + '%s'})\n")
    install("a_first", text % "1")
    hooks = load(install("b_second", text % "2"))
    assert hooks.transform_request(GenerationRequest(prompt="0")).prompt == "012"


def test_a_picture_is_given_as_a_copy(install):
    hooks = load(install("painter", HEAD + "@hookimpl\ndef atelier_image_finished(image):\n"
                                           "    image.putpixel((0, 0), (9, 9, 9))"))
    image = Image.new("RGB", (2, 2))
    hooks.finished(image, GenerationRequest())
    assert image.getpixel((0, 0)) == (0, 0, 0) and not hooks.faults


@pytest.mark.parametrize("body", ["raise ValueError('x')", "import sys; sys.exit()"], ids=["raises", "exits"])
def test_a_tab_whose_builder_fails_does_not_take_the_page_along(install, body):
    hooks = load(install("tabby", f"{HEAD}def build(studio, page):\n    {body}\n@hookimpl\n"
                                  "def atelier_tabs(): return [Tab('Mine', build)]\n"))
    [tab] = hooks.tabs()
    assert isinstance(tab, Tab) and tab.name == "extension-mine" and tab.build(None, None) is None
    assert "its tab raised" in hooks.faults[0].why


def test_safe_mode_loads_nothing(install):
    settings = install("good", HEAD)
    assert load(settings).names() == ["good"]
    assert load(settings.model_copy(update={"safe_mode": True})).names() == []


@pytest.mark.parametrize("manifest", ["name: [1", "- a", "colour: red", "version: 1", "!!python/object:os.system {}"],
                         ids=["broken", "list", "unknown", "number", "object"])
def test_a_manifest_that_cannot_be_read_is_named(install, manifest):
    hooks = load(install("odd", HEAD, manifest))
    assert hooks.names() == [] and "extension.yaml" in hooks.faults[0].why


def test_of_two_extensions_with_one_name_the_second_is_named(install, tmp_path):
    install("wildcards", "raise RuntimeError('must not be imported')")
    hooks = load(checked({"data_dir": tmp_path}))
    assert hooks.names() == ["realesrgan", "wildcards"] and "a second one" in hooks.faults[0].why


def test_an_extension_that_ends_the_program_twice_is_left_out(install, root):
    settings = install("killer", "import os; os._exit(9)")
    start = ("from extensions.loader import load; from pipelines.settings import checked;"
             f"h = load(checked({{'data_dir': {str(settings.home)!r}}})); print([str(f) for f in h.faults])")
    runs = [subprocess.run([sys.executable, "-c", start], cwd=root, capture_output=True, text=True) for _ in range(3)]
    assert [r.returncode for r in runs] == [9, 9, 0]
    assert "killer" in runs[2].stdout
    assert json.loads((settings.data_dir / "extensions.json").read_text())["loading"] is None


@pytest.mark.parametrize("text", ["", "[]", "{\"crashes\": 3}", "\0"], ids=["empty", "list", "wrong", "nul"])
def test_a_damaged_memory_of_crashes_starts_anew(install, text):
    settings = install("good", HEAD)
    settings.data_dir.mkdir()
    (settings.data_dir / "extensions.json").write_text(text)
    assert load(settings).names() == ["good"]


def test_the_built_in_extensions_are_all_fine(tmp_path):
    settings = checked({"data_dir": tmp_path})
    assert [e.problem for e in discover(settings.extension_folders)] == ["", ""] and not load(settings).faults
