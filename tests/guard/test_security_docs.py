"""docs/security.md: each file, flag, limit and default it names is the code's. What the guard does is tried in test_guard."""

from __future__ import annotations

import ast
import re
from types import SimpleNamespace

import pytest

from pipelines.loading.environment import DEFAULTS
from pipelines.loading.library import Library
from pipelines.loading.pickled import KINDS
from pipelines.settings import Settings, checked
from pipelines.spec.errors import FieldError, StudioError
from pipelines.upscale_job import folder
from tabs import address, bodies, guard, launch
from tabs.environment import IGNORED, prepare_gradio
from tabs.files import PICTURES, Readable


@pytest.fixture(scope="module")
def text(root):
    return (root / "docs" / "security.md").read_text(encoding="utf-8")


@pytest.fixture
def says(text):
    """`says("…")`: the page says so, wherever its lines are broken."""
    joined = " ".join(text.split())

    def asked(words):
        assert words in joined, f"the page no longer says {words!r}: change this test with it"
        return True
    return asked


@pytest.fixture(scope="module")
def launched(root):
    """Keyword arguments of every call in tabs/launch.py, by name, where they are written out."""
    tree = ast.parse((root / "tabs" / "launch.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {k.arg: k.value.value for call in calls for k in call.keywords if isinstance(k.value, ast.Constant)}


def test_every_flag_it_names_is_a_setting(text):
    flags = set(re.findall(r"--([a-z][a-z-]+)", text))
    assert {"listen", "share", "auth", "offline"} <= flags
    assert not {flag for flag in flags if flag.replace("-", "_") not in Settings.model_fields}


def test_every_file_it_names_is_there(text, root):
    names = re.findall(r"`((?:tabs|tests)/[\w/.]*)`", text)
    assert len(names) >= 3 and all((root / name).exists() for name in names)


@pytest.mark.parametrize(("given", "host", "login"), [
    ({}, "127.0.0.1", False), ({"auth": "me:secret"}, "127.0.0.1", True), ({"listen": True}, "0.0.0.0", True),
    ({"server_name": "192.0.2.1"}, "192.0.2.1", True), ({"share": True}, "127.0.0.1", True)],
    ids=["plain", "auth", "listen", "address", "share"])
def test_the_table_of_starts_is_true(tmp_path, given, host, login):
    known = checked({"data_dir": tmp_path, "port": 0, **given})
    assert address.address(known)[0] == host and bool(address.credentials(known)) is login


def test_a_login_is_made_up_and_printed_when_none_is_given(tmp_path, capsys):
    known = checked({"data_dir": tmp_path, "listen": True})
    login = address.credentials(known)
    launch.Served(None, "http://here", "", login, False, None).announce()
    assert login and login[1] in capsys.readouterr().out


def test_the_limits_it_names_are_the_codes(says, launched):
    assert says(f"JSON up to {bodies.JSON_LIMIT // bodies.MEGA} MB")
    assert says(f"one file up to {str(launched['max_file_size']).removesuffix('mb')} MB")
    assert says(f"numbers over {bodies.LAYERS} are refused")
    assert says("the three routes that take forms") and len(bodies.FORMS) == 3
    assert launched["api_open"] is False and says("`api_open=False`")


def test_the_wait_after_wrong_passwords_is_the_one_it_tells(says):
    assert says("from the fifth wrong password on an address waits 1, 2, 4 … 60 s")
    attempts, waits = guard.Attempts(clock=lambda: 0.0), []
    for _ in range(12):
        attempts.note("here", False)
        waits.append(attempts.wait("here"))
    assert waits[:7] == [0, 0, 0, 0, 1, 2, 4] and waits[-1] == 60


def test_the_headers_it_names_are_sent(says):
    assert guard.HEADERS["x-content-type-options"] == "nosniff" and says("`X-Content-Type-Options: nosniff`")
    assert guard.HEADERS["referrer-policy"] == "no-referrer" and says("`Referrer-Policy: no-referrer`")
    assert "frame-ancestors 'self'" in guard.HEADERS["content-security-policy"] and says("`frame-ancestors 'self'`")
    assert "default-src 'none'; sandbox" in guard.FILE_POLICY and says("a policy that runs nothing")


def test_only_the_pictures_it_names_are_served(says, tmp_path):
    assert says("only PNG, JPEG and WebP are served") and set(PICTURES) == {".png", ".jpg", ".jpeg", ".webp"}
    for name in (".env", "page.html", "a.svg", "a.png"):
        (tmp_path / name).write_bytes(b"x")
    readable = Readable(tmp_path / "uploads", (tmp_path,))
    assert [n for n in (".env", "page.html", "a.svg", "a.png") if readable.allows(str(tmp_path / n))] == ["a.png"]


def test_what_fetches_from_the_net_is_closed(says, tmp_path):
    assert says("`proxy=` too") and {"/gradio_api/proxy=", "/proxy="} <= set(guard.CLOSED)
    with pytest.raises(bodies.Refused):
        Readable(tmp_path).check_route("/gradio_api/file=http://example.org/a.png")


def test_offline_forbids_a_public_link(says, tmp_path):
    assert says("`--offline` also forbids `--share`")
    with pytest.raises(StudioError, match="offline"):
        checked({"data_dir": tmp_path, "offline": True, "share": True})


@pytest.mark.parametrize("suffix", [".ckpt", ".pt"])
def test_weights_that_could_run_code_are_refused(text, tmp_path, suffix):
    assert f"`{suffix}`" in text
    (tmp_path / "Stable-diffusion").mkdir()
    (tmp_path / "Stable-diffusion" / f"risky{suffix}").write_bytes(b"\x80\x02]q\x00." * 200)
    library = Library([tmp_path], tmp_path / "cache")
    library.scan()
    with pytest.raises((FieldError, StudioError), match="safetensors|run code"):
        library.find("risky")


def test_uploads_are_the_owners_alone_and_variables_that_open_more_are_ignored(says, text, tmp_path):
    assert says("(`state/uploads`)") and says("only you can read")
    named = re.findall(r"GRADIO_[A-Z_]+", text)
    known, environ = checked({"data_dir": tmp_path}), dict.fromkeys(named, "True")
    lines = prepare_gradio(known, environ)
    assert len(named) >= 2 and set(named) <= set(IGNORED) and len(lines) == len(set(named)) and not set(named) & set(environ)
    assert known.uploads_dir.as_posix().endswith("state/uploads") and known.uploads_dir.stat().st_mode & 0o077 == 0


def test_the_second_fence_holds_what_it_names(says, tmp_path):
    assert says("queue, settings, models and extensions are on Gradio's list of blocked paths")
    known = checked({"data_dir": tmp_path})
    fenced = launch.fence(known)
    wanted = [known.file, known.data_dir / "queue.sqlite", *known.model_roots, *known.extension_folders]
    assert {str(path.resolve()) for path in wanted} <= set(fenced)


@pytest.fixture(scope="module")
def called(root):
    """Every name that is called anywhere in the studio, as it is written, with the files it is called in."""
    found = {}
    for path in [root / "app.py", *(p for room in ("tabs", "pipelines", "extensions") for p in (root / room).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found.setdefault(ast.unparse(node.func), set()).add(path.relative_to(root).as_posix())
    return found


def test_the_page_is_never_mounted(says, called):
    assert says("the page is always opened with `launch()`, never mounted")
    assert called["blocks.launch"] == {"tabs/launch.py"} and not [name for name in called if "mount_gradio_app" in name]


def test_the_studio_itself_opens_no_pickle(says, called):
    assert says("The studio itself opens no pickle")
    opened = set().union(*(files for name, files in called.items()
                           if re.search(r"(^|\.)(torch|pickle|joblib|dill)\.load|Unpickler$", name)))
    assert {file for file in opened if not file.startswith("pipelines/training/")} == {"pipelines/loading/pickle_child.py"}


def test_the_kinds_that_are_read_from_pickles_are_those_it_names(says):
    assert says("Control models, upscalers, face restorers, embeddings, PhotoMaker, IP-Adapter")
    assert {"controlnet", "upscaler", "face restorer", "embedding", "ip-adapter"} <= set(KINDS)
    assert says("Checkpoints, VAEs and LoRAs as pickles") and not {"checkpoint", "vae", "lora"} & set(KINDS)


def test_nothing_is_sent_anywhere(says, root):
    assert says("no analytics, no telemetry, no hub")
    assert (DEFAULTS["HF_HUB_OFFLINE"], DEFAULTS["DO_NOT_TRACK"], DEFAULTS["GRADIO_ANALYTICS_ENABLED"]) == ("1", "1", "False")
    assert "analytics_enabled=False" in (root / "tabs" / "shell.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("given", [{"listen": True}, {"share": True}, {"server_name": "192.0.2.1"}], ids=str)
def test_folders_of_this_machine_are_closed_to_a_page_that_others_reach(says, tmp_path, given):
    assert says("can be named in the upscale tab only while nobody else may reach the studio")
    shared = SimpleNamespace(settings=checked({"data_dir": tmp_path, **given}))
    with pytest.raises(FieldError, match="closed while others may reach the studio"):
        folder(shared, str(tmp_path))
