"""What lies in models/: A1111's and ComfyUI's folders, broken and misplaced files (D44, D48, D50), names (A10, A11)."""

import errno
import json
import os
import shutil
import sqlite3
import time

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipelines.families import Detected
from pipelines.loading.facts import DETECTOR, Facts
from pipelines.loading.library import Library
from pipelines.loading.model_file import detected_by, inspect
from pipelines.spec.errors import FieldError, ModelFileError

LORA = {"lora_unet_x.lora_down.weight": (4, 8), "lora_unet_x.lora_up.weight": (8, 4), "lora_unet_x.alpha": ()}
VAE = {"encoder.conv_in.weight": (32, 3, 3, 3), "decoder.conv_in.weight": (64, 4, 3, 3), "decoder.conv_out.weight": (3, 32, 3, 3)}
CONTROLNET = {"control_model.input_hint_block.0.weight": (16, 3, 3, 3), "control_model.zero_convs.0.0.weight": (32, 32, 1, 1)}
EMBEDDING = {"emb_params": (2, 768)}
UPSCALER = {"conv_first.weight": (64, 3, 3, 3), "body.0.rdb1.conv1.weight": (32, 64, 3, 3)}
KINDS = {"LoRA": (LORA, "a LoRA", "models/Lora"), "VAE": (VAE, "a VAE", "models/VAE"),
         "ControlNet": (CONTROLNET, "a ControlNet", "models/ControlNet"),
         "embedding": (EMBEDDING, "a textual inversion embedding", "embeddings"),
         "upscaler": (UPSCALER, "an upscaler", "models/ESRGAN")}


def write(path, shapes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: np.zeros(shape, np.float16) for key, shape in shapes.items()}, path)


def line(library: Library, name: str) -> str:
    with pytest.raises((FieldError, ModelFileError)) as caught:
        library.find(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("where", [
    "models/Stable-diffusion/a.safetensors", "models/checkpoints/a.safetensors", "a.safetensors",
    "ComfyUI/models/checkpoints/a.safetensors", "models/Stable-diffusion/anime/old/a.safetensors",
], ids=["A1111", "ComfyUI", "no folder", "a studio in the root", "sub-folders"])
def test_checkpoints_are_found_in_every_layout(tmp_path, copied, where):
    copied(where)
    (model,) = Library([tmp_path]).models()
    assert model.stem == "a" and model.family.name == "sd15" and model.prediction == "epsilon"
    assert model.group == ("anime/old" if "anime" in where else model.group)


@pytest.mark.parametrize("case", KINDS.values(), ids=KINDS.keys())
def test_a_file_in_the_checkpoint_folder_is_named_and_sent_home(tmp_path, case):
    shapes, called, home = case
    write(tmp_path / "models/Stable-diffusion/odd.safetensors", shapes)
    library = Library([tmp_path])
    assert library.models() == []
    assert line(library, "odd") == f"Model file: odd - this looks like {called}. Move it to {home}."


def test_a_checkpoint_in_the_vae_folder_is_sent_home(tmp_path, copied):
    copied("models/VAE/big.safetensors")
    library = Library([tmp_path])
    with pytest.raises(ModelFileError, match="big - this looks like a checkpoint. Move it to models/Stable-diffusion."):
        library.find_vae("big")


def test_a_checkpoint_among_the_loras_is_sent_home(tmp_path, copied, monkeypatch):
    copied("models/Lora/big.safetensors")
    monkeypatch.setattr("pipelines.loading.library.CHECKPOINT_SIZE", 1000)
    (file,) = Library([tmp_path]).problems()
    assert (file.problem, file.fix) == ("this looks like a checkpoint", "Move it to models/Stable-diffusion.")


def test_several_roots_are_listed_together_and_equal_names_stay_apart(tmp_path, copied):
    copied("one/Stable-diffusion/a.safetensors")
    copied("two/checkpoints/a.safetensors", "sd2")
    library = Library([tmp_path / "one", tmp_path / "two"])
    assert [m.name for m in library.models()] == ["checkpoints/a", "Stable-diffusion/a"]
    assert library.find("checkpoints/a").family.name == "sd2"


def test_a_stem_in_two_folders_asks_for_the_folder_or_the_hash(tmp_path, copied):
    copied("models/Stable-diffusion/x/a.safetensors")
    copied("models/Stable-diffusion/y/a.safetensors", "sd2")
    library = Library([tmp_path])
    assert line(library, "a") == ("Model: a - 2 files have that name. Allowed: x/a, y/a. "
                                  "Give the folder, or the hash in brackets.")
    wanted = library.find("y/a")
    assert library.find(f"a [{wanted.short_hash()}]") == library.find(wanted.short_hash()) == wanted


def test_an_unknown_name_gets_the_nearest_names(tmp_path, copied):
    for name in ("realistic", "anime", "cartoons", "realism"):
        copied(f"models/Stable-diffusion/{name}.safetensors")
    assert line(Library([tmp_path]), "realstic").startswith("Model: realstic - not found. Allowed: realistic, realism")


def test_pickles_and_unfinished_downloads_are_listed_with_the_reason(tmp_path, copied):
    path = copied("models/Stable-diffusion/a.safetensors")
    (path.parent / "old.ckpt").write_bytes(b"\x80\x02")
    path.rename(path.with_suffix(".safetensors.part"))
    library = Library([tmp_path])
    assert "old - .ckpt is a pickle, which can run any code when it is loaded. Convert it" in line(library, "old")
    assert "the download is not finished" in line(library, "a.safetensors.part")


def test_a_gguf_file_is_listed_with_the_reason(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "small.gguf").write_bytes(b"GGUF")
    assert line(Library([tmp_path]), "small").startswith("Model file: small - this is a GGUF file, which this version does not")


def test_a_name_as_long_as_a_disk_allows_is_a_name(tmp_path, copied):
    name = "x" * (255 - len(".safetensors"))
    copied(f"models/Stable-diffusion/{name}.safetensors")
    assert Library([tmp_path]).find(name).family.name == "sd15"


@pytest.mark.parametrize("closed", ["", "models", "models/closed", "models/closed/unet", "models/mini/unet"])
def test_a_place_that_may_not_be_looked_into_stops_no_other(tmp_path, copied, mini_dir, monkeypatch, closed):
    copied("other/Stable-diffusion/a.safetensors")
    for folder in ("closed", "mini"):
        shutil.copytree(mini_dir, tmp_path / "models" / folder, ignore=lambda *_: ["controlnet"])
    (tmp_path / "models" / "closed" / "model_index.json").unlink()      # then its UNet is looked for
    stat, place = os.stat, str(tmp_path / closed)

    def refused(path, **more):
        if os.path.join(os.fspath(path), "").startswith(os.path.join(place, "")) and "other" not in os.fspath(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return stat(path, **more)

    monkeypatch.setattr(os, "stat", refused)
    assert "a" in [model.stem for model in Library([tmp_path, tmp_path / "models", tmp_path / "other"]).models()]


def test_a_symlink_in_a_circle_ends(tmp_path, copied):
    folder = copied("models/Stable-diffusion/sub/a.safetensors").parent
    (folder / "again").symlink_to(tmp_path / "models", target_is_directory=True)
    (folder / "nowhere.safetensors").symlink_to(tmp_path / "missing.safetensors")
    library = Library([tmp_path])
    assert [m.name for m in library.models()] == ["sub/a"]
    assert "cannot be opened (No such file or directory)" in line(library, "nowhere")


def test_a_pipe_is_listed_as_a_problem_and_does_not_hang(tmp_path):
    (tmp_path / "Stable-diffusion").mkdir()
    os.mkfifo(tmp_path / "Stable-diffusion" / "pipe.safetensors")
    assert "this is not a file" in line(Library([tmp_path]), "pipe")


@pytest.mark.parametrize("name", ["two\nlines", "emoji 🦊", "юнікод", "percent%20", "<b>bold</b>", "a [b] c"])
def test_odd_file_names_are_found_and_shown_on_one_line(tmp_path, copied, name):
    copied(f"models/Stable-diffusion/{name}.safetensors")
    library = Library([tmp_path])
    (model,) = library.models()
    assert library.find(model.name).path == model.path and "\n" not in model.title


@pytest.mark.parametrize(("change", "says"), [
    (lambda p: p.unlink(), "it is no longer there. Refresh the list of models."),
    (lambda p: p.write_bytes(b"x" * 99), "it changed on disk since it was listed. Refresh the list of models"),
    (lambda p: os.utime(p, (1, 1)), "it changed on disk since it was listed"),
], ids=["deleted", "replaced by another", "touched"])
def test_a_file_changed_after_it_was_listed_is_named(tmp_path, copied, change, says):
    path = copied("models/Stable-diffusion/a.safetensors")
    library = Library([tmp_path])
    library.scan()
    change(path)
    assert f"Model file: a - {says}" in line(library, "a")


def test_the_hash_is_read_once_and_kept_over_a_restart(tmp_path, copied, monkeypatch):
    path = copied("models/Stable-diffusion/a.safetensors")
    import hashlib
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Library([tmp_path / "models"], tmp_path / "data").find("a").short_hash() == expected[:10]
    monkeypatch.setattr("pipelines.loading.facts.BLOCK", None)      # reading again would fail
    again = Library([tmp_path / "models"], tmp_path / "data").find("a")
    assert again.sha256() == expected and again.title == f"a [{expected[:10]}]"


def test_a_damaged_cache_is_set_aside(tmp_path, copied):
    copied("models/Stable-diffusion/a.safetensors")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models.sqlite").write_bytes(b"no database at all" * 99)
    assert len(Library([tmp_path / "models"], tmp_path / "data").models()) == 1
    assert (tmp_path / "data" / "models.bad").exists()


def cache_of(tmp_path, copied):
    """A cache of one checkpoint and many other rows, closed."""
    copied("models/Stable-diffusion/a.safetensors")
    library = Library([tmp_path / "models"], tmp_path / "data")
    library.scan()
    library.facts.remember_detected({f"/x/{i}" * 20: (f"{DETECTOR}:1", Detected("lora")) for i in range(300)})
    library.facts._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    library.facts._db.close()
    return tmp_path / "data" / "models.sqlite"


def edited(path, *statements):
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


DAMAGES = {
    "holes": lambda p: p.write_bytes(p.read_bytes()[:4096] + b"\xa5" * 8192 + p.read_bytes()[12288:]),
    "no JSON": lambda p: edited(p, f"INSERT INTO facts VALUES ('a', 'detected', '{DETECTOR}:1', '{{')"),
    "no object": lambda p: edited(p, f"INSERT INTO facts VALUES ('a', 'detected', '{DETECTOR}:1', '7')"),
    "a newer studio's": lambda p: edited(p, f"""INSERT INTO facts VALUES
                                         ('a', 'detected', '{DETECTOR + 1}:1', '{{"kind": "lora", "hologram": 1}}')"""),
    "a newer field": lambda p: edited(p, f"""INSERT INTO facts VALUES
                                      ('a', 'detected', '{DETECTOR}:1', '{{"kind": "lora", "hologram": 1}}')"""),
    "other columns": lambda p: edited(p, "DROP TABLE facts", "CREATE TABLE facts (a)"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_cache_that_says_nonsense_is_forgotten(tmp_path, copied, damage):
    damage(cache_of(tmp_path, copied))
    library = Library([tmp_path / "models"], tmp_path / "data")
    (model,) = library.models()
    known = model.short_hash()
    again = Library([tmp_path / "models"], tmp_path / "data")
    again.scan()
    assert again.find("a").title == f"a [{known}]"


def test_a_cache_that_breaks_while_it_is_open_is_replaced(tmp_path, copied):
    path = cache_of(tmp_path, copied)
    library = Library([tmp_path / "models"], tmp_path / "data")
    path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096))
    library.facts._db.execute("PRAGMA shrink_memory")       # pages it has read already would hide the damage
    library.scan()
    library.scan()
    assert [model.name for model in library.models()] == ["a"] and path.with_suffix(".bad").exists()


def test_what_could_not_be_written_leaves_the_cache_writable(tmp_path):
    facts = Facts(tmp_path)
    facts.remember_detected({("no", "text"): ("3:1", Detected("lora"))})
    facts.remember_detected({"text": (f"{DETECTOR}:1", Detected("lora"))})
    assert set(Facts(tmp_path).detected()) == {"text"}


def test_a_file_nobody_foresaw_is_listed_with_a_problem_and_the_others_are_there(tmp_path, copied, monkeypatch):
    copied("models/Stable-diffusion/a.safetensors")
    copied("models/Stable-diffusion/b.safetensors")
    def failing(path, name):
        if path.stem == "a":
            raise IndexError("tuple index out of range")
        return inspect(path, name)
    monkeypatch.setattr("pipelines.loading.library.inspect", failing)
    library = Library([tmp_path / "models"])
    assert [model.name for model in library.models()] == ["b"]
    assert line(library, "a") == "Model file: a - its description cannot be understood. Copy it again, or remove it."


def test_a_pickle_nobody_foresaw_is_one_with_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.loading.model_file.detect_file", lambda *_: ()[0])
    assert detected_by(tmp_path / "x.bin", "ip-adapter", {}).problem == "its description cannot be understood"


@pytest.mark.parametrize("shape", [(), (0,), (768,)], ids=str)
def test_an_adapter_of_any_shape_is_listed(tmp_path, shape):
    write(tmp_path / "odd.safetensors", {"id_encoder.fuse_module.layer_norm.weight": shape})
    (file,) = Library([tmp_path]).files()
    assert (file.kind, file.detected.family) == ("ip-adapter", "sd15" if shape == (768,) else "")


def test_twenty_thousand_files_list_in_seconds(tmp_path):
    write(tmp_path / "one.safetensors", LORA)
    for folder in ("Lora", "Stable-diffusion"):
        for number in range(100):
            (place := tmp_path / "models" / folder / str(number)).mkdir(parents=True)
            for i in range(100):
                os.link(tmp_path / "one.safetensors", place / f"{i}.safetensors")
    library = Library([tmp_path / "models"], tmp_path / "data")
    started = time.process_time()
    assert len(library.files()) == 20_000
    first, started = time.process_time() - started, time.process_time()
    library.scan()
    assert first < 8 and time.process_time() - started < 4, f"first {first:.1f} s"


def told(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


FOLDERS = {
    "no index": (lambda d: (d / "model_index.json").unlink(), "this folder has no model_index.json"),
    "program code": (lambda d: (d / "unet" / "modeling.py").write_text("x"), "brings its own program code (modeling.py)"),
    "pickled weights": (lambda d: (d / "unet/diffusion_pytorch_model.safetensors").rename(d / "unet/x.bin"),
                        "unet holds pickled weights only (.bin)"),
    "no weights": (lambda d: (d / "vae/diffusion_pytorch_model.safetensors").unlink(), "vae holds no weights"),
    "broken config": (lambda d: (d / "unet/config.json").write_text("{"), "unet/config.json is not readable JSON"),
    "missing shard": (lambda d: [(d / "unet/diffusion_pytorch_model.safetensors").unlink(),
                                 (d / "unet/x.safetensors.index.json").write_text('{"weight_map": {"a": "part-1"}}')],
                      "unet lacks its part part-1"),
    "parts without classes": (lambda d: told(d / "model_index.json", unet=True), "does not say what its unet is"),
    "parts as objects": (lambda d: told(d / "model_index.json", unet={"a": 1}), "does not say what its unet is"),
    "channels as a list": (lambda d: told(d / "unet/config.json", in_channels=[4], cross_attention_dim={"a": 1}),
                           "does not say how many input channels"),
    "prediction as a list": (lambda d: told(d / "scheduler/scheduler_config.json", prediction_type=["v"]),
                             "does not say what the model predicts"),
}


@pytest.mark.parametrize("case", FOLDERS.values(), ids=FOLDERS.keys())
def test_a_broken_diffusers_folder_gets_one_line(tmp_path, mini_dir, case):
    breaking, says = case
    folder = shutil.copytree(mini_dir, tmp_path / "models" / "mini")
    assert Library([tmp_path / "models"]).find("mini").family.name == "mini"
    breaking(folder)
    assert says in line(Library([tmp_path / "models"]), "mini")
