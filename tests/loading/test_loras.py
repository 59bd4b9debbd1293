"""LoRA and embedding files: what their headers and side-cars say, what is refused, how they are hashed."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipelines.loading.header import read_header
from pipelines.loading.library import Library
from pipelines.loading.lora_card import card
from pipelines.loading.loras import (
    at_home,
    called,
    check,
    check_embeddings,
    chosen,
    lora_width,
    named_embeddings,
    read_embedding,
    tensor_hash,
    vectors_of,
)
from pipelines.spec.errors import FieldError, ModelFileError

KEY = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
FORMS = {
    "kohya": KEY, "diffusers": "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight",
    "old diffusers": "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight",
    "LoHa": KEY.replace("lora_down.weight", "hada_w1_b"),
}


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("width", [768, 1024, 2048])
def test_the_width_it_listens_to_is_read_from_every_form(tmp_path: Path, form: str, width: int) -> None:
    assert lora_width(read_header(write(tmp_path / "x.safetensors", {FORMS[form]: torch.zeros(4, width)}))) == width


@pytest.mark.parametrize(("metadata", "width"), [
    ({"ss_base_model_version": "sd_v1"}, 768), ({"ss_base_model_version": "sdxl_base_v1-0"}, 2048), ({}, 0),
    ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, 2048), ({"ss_base_model_version": "sd_v2_768_v"}, 1024),
])
def test_a_file_without_such_layers_is_judged_by_its_metadata(tmp_path: Path, metadata: dict[str, str], width: int) -> None:
    file = write(tmp_path / "x.safetensors", {"lora_te_x.lora_down.weight": torch.zeros(4, 8)}, metadata)
    assert lora_width(read_header(file)) == width


@pytest.fixture
def library(thin: Path, tmp_path: Path) -> Library:
    write(tmp_path / "Lora" / "a" / "one.safetensors", {KEY: torch.zeros(4, 768)}, {"ss_tag_frequency": "{}"})
    write(tmp_path / "Lora" / "b" / "one.safetensors", {KEY: torch.zeros(4, 2048)})
    write(tmp_path / "Lora" / "two.safetensors", {KEY: torch.zeros(4, 2048)})
    return Library([thin, tmp_path])


@pytest.mark.parametrize(("prompt", "said"), [
    ("<lora:one:1>", "2 files have that name"), ("<lora:tow:1>", "not found. Allowed: two"), ("<lora:b/one:1>", None),
])
def test_loras_are_found_by_name_and_folder(library: Library, prompt: str, said: str | None) -> None:
    if said is None:
        assert [one.file.name for one in chosen(prompt, library)] == ["b/one"]
        return
    with pytest.raises(FieldError, match=said):
        chosen(prompt, library)


@pytest.fixture
def trained(tmp_path: Path) -> Library:
    for name, head in (("ink", {"ss_output_name": "Ink Drawing", "sshs_model_hash": "0123456789abcdef"}),
                       ("one", {"ss_output_name": "twice"}), ("two", {"ss_output_name": "twice"}), ("Named", {})):
        write(tmp_path / "Lora" / f"{name}.safetensors", {KEY: torch.zeros(4, 768)}, head)
    return Library([tmp_path])


@pytest.mark.parametrize(("prompt", "file"), [
    ("<lora:ink drawing:0.5>", "ink"), ("<lora:ink>", "ink"), ("<lora:named:1>", "Named"),
    ("<lora:twice:1>", None), ("<lora:x:1>", None),
])
def test_a_lora_answers_to_the_name_it_was_trained_under(trained: Library, prompt: str, file: str | None) -> None:
    if file:
        assert [one.file.name for one in chosen(prompt, trained)] == [file]
        return
    with pytest.raises(FieldError, match="not found"):
        chosen(prompt, trained)


def test_the_explainer_is_told_every_name_a_prompt_may_use(trained: Library) -> None:
    assert called("<lora:Ink Drawing:1> <lora:x:1>", trained) == ("ink", "Named", "one", "two", "Ink Drawing")
    assert called("<lora:x:y>", trained) == ("ink", "Named", "one", "two")


@pytest.mark.parametrize(("prompt", "hashes", "now"), [
    ("a <lora:old:0.5:1> b", "old: 0123456789ab", "a <lora:ink:0.5:1> b"), ("<lora:Old>", "old: 0123456789AB", "<lora:ink>"),
    ("<lora:one:1>", "one: 0123456789ab", "<lora:one:1>"), ("<lora:old:1>", "old: ffffffffffff", "<lora:old:1>"),
    ("<lora:old:1>", "", "<lora:old:1>"), ("<lora:old:1>", "other: 0123456789ab", "<lora:old:1>"),
], ids=["renamed", "any case", "it is here", "another hash", "no hashes", "not in the prompt"])
def test_another_programs_lora_is_found_by_its_hash(trained: Library, prompt: str, hashes: str, now: str) -> None:
    assert at_home(prompt, hashes, trained) == now


def test_a_lora_of_another_family_is_refused_with_both_names(library: Library) -> None:
    model = library.find("thin-sdxl")
    refused = check("<lora:two:1> <lora:a/one:1>", model, library)
    assert {str(r).split(" - ")[0] for r in refused} >= {"LoRA: a/one"}
    assert check("{<lora:a/one:1>|x}", model, library) == [], "a template is looked at when it is drawn"


@pytest.mark.parametrize(("tensors", "said"), [
    ({"encoder.conv_in.weight": (8, 3, 3, 3), "decoder.conv_in.weight": (8, 4, 3, 3), "decoder.conv_out.weight": (3, 8, 3, 3)},
     "this looks like a VAE. Move it to models/VAE."),
    ({"emb_params": (2, 768)}, "this looks like a textual inversion embedding. Move it to embeddings."),
], ids=["VAE", "embedding"])
def test_what_lies_among_loras_and_is_none_is_sent_home(library: Library, tmp_path: Path, tensors: dict, said: str) -> None:
    write(tmp_path / "Lora" / "odd.safetensors", {name: torch.zeros(shape) for name, shape in tensors.items()})
    with pytest.raises(ModelFileError, match=f"odd - {said}"):
        check("<lora:odd:1>", library.find("thin-sd15"), library)


def test_the_hash_is_of_the_tensors_alone(tmp_path: Path) -> None:
    tensors = {KEY: torch.randn(4, 768)}
    for name, metadata in (("x", {"a": "b"}), ("y", {"a": "another"}), ("z", None)):
        write(tmp_path / "Lora" / f"{name}.safetensors", tensors, metadata)
    found = {tensor_hash(f) for f in Library([tmp_path]).of_kind("lora")}
    assert found == {hashlib.sha256(tensors[KEY].numpy().tobytes()).hexdigest()[:12]}


def test_a_card_tells_what_lies_in_and_beside_the_file(tmp_path: Path) -> None:
    tags = {"10_cat": {"cat": 9, "sitting": 4}, "5_x": {"cat": 1, "hat": 6}}
    file = write(tmp_path / "Lora" / "x.safetensors", {KEY: torch.zeros(4, 768)}, {"ss_tag_frequency": json.dumps(tags)})
    file.with_suffix(".json").write_text(json.dumps({"activation text": "mycat, sitting", "preferred weight": 0.7, "notes": "n"}))
    file.with_suffix(".preview.png").write_bytes(b"x")
    told = card(Library([tmp_path]).of_kind("lora")[0])
    assert (told.base, told.triggers, told.tags) == ("Stable Diffusion 1.x", ("mycat", "sitting"), ("cat", "hat", "sitting"))
    assert (told.tag, told.notes, told.preview) == ("<lora:x:0.7>", "n", file.with_suffix(".preview.png"))


@pytest.mark.parametrize("side_car", ["[]", "{", '{"activation text": 5, "preferred weight": "x"}', '{"preferred weight": 1e99}'])
def test_a_strange_side_car_spoils_no_card(tmp_path: Path, side_car: str) -> None:
    file = write(tmp_path / "Lora" / "x.safetensors", {KEY: torch.zeros(4, 768)}, {"ss_tag_frequency": "[1]"})
    file.with_suffix(".json").write_text(side_car)
    told = card(Library([tmp_path]).of_kind("lora")[0])
    assert (told.triggers, told.weight, told.problem) == ((), 1.0, "")


def embedding(folder: Path, name: str, what: object) -> Path:
    path = folder / "embeddings" / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(what, path)
    else:
        torch.save(what, path)
    return path


EMBEDDINGS = {
    "a1111.pt": ({"string_to_param": {"*": torch.ones(3, 768)}, "name": "x", "step": 5}, {768: 3}),
    "diffusers.bin": ({"<x>": torch.ones(768)}, {768: 1}),
    "plain.safetensors": ({"emb_params": torch.ones(2, 768)}, {768: 2}),
    "xl.safetensors": ({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}, {768: 2, 1280: 2}),
}


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_every_form_of_an_embedding_is_read(tmp_path: Path, name: str) -> None:
    what, rows = EMBEDDINGS[name]
    embedding(tmp_path, name, what)
    file = named_embeddings([f"a {Path(name).stem.upper()}, b"], Library([tmp_path]))[0]
    assert {width: len(vectors) for width, vectors in read_embedding(file).vectors.items()} == rows
    assert vectors_of(f"a {file.stem}", Library([tmp_path])) == {file.stem: max(rows.values())}


class Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("/tmp/atelier-was-here"),))  # noqa: S108 (it must not come to that)


@pytest.mark.parametrize(("what", "said"), [
    (Evil(), "more than tensors"), ({"a": "text"}, "holds no tensors"), ({"a": torch.ones(2000, 768)}, "no textual inversion"),
    ({"a": torch.tensor(3.0)}, "no textual inversion"), (b"not a pickle", "no PyTorch file"),
], ids=["code", "no tensor", "too many", "scalar", "garbage"])
def test_what_is_no_embedding_is_refused_and_never_run(tmp_path: Path, what: object, said: str) -> None:
    path = tmp_path / "embeddings" / "x.pt"
    path.parent.mkdir()
    if isinstance(what, bytes):
        path.write_bytes(what)
    elif isinstance(what, Evil):
        path.write_bytes(pickle.dumps(what))
    else:
        torch.save(what, path)
    with pytest.raises(ModelFileError, match=said):
        read_embedding(Library([tmp_path]).of_kind("embedding")[0])
    assert list(vectors_of("x", Library([tmp_path]))) == ["x"], "the counter tells it all the same"
    assert not Path("/tmp/atelier-was-here").exists()  # noqa: S108


def test_an_embedding_of_two_files_is_asked_for_unless_they_are_the_same(tmp_path: Path) -> None:
    for folder, rows in (("a", 2), ("b", 2), ("c", 3)):
        write(tmp_path / "embeddings" / folder / "twice.safetensors", {"emb_params": torch.ones(rows, 768)})
        library = Library([tmp_path])
        if folder != "c":
            assert [file.stem for file in named_embeddings(["a twice b"], library)] == ["twice"]
    with pytest.raises(FieldError, match="Embedding: twice - 3 different files have that name: a/twice, b/twice, c/twice. Rename"):
        named_embeddings(["a twice b"], library)
    assert named_embeddings(["once"], library) == [] and list(vectors_of("twice", library)) == ["twice"]


@pytest.mark.parametrize(("model", "file", "said"), [
    ("thin-sd15", {"emb_params": (2, 64)}, ""), ("thin-sd15", {"clip_l": (2, 64), "clip_g": (2, 128)}, ""),
    ("thin-sdxl", {"clip_l": (2, 64), "clip_g": (2, 128)}, ""),
    ("thin-sdxl", {"emb_params": (64,)}, "64 wide; this model's is 128"),
    ("thin-sd15", {"emb_params": (2, 1024)}, "1024 wide; this model's is 64"),
    ("mini", {"emb_params": (2, 768)}, "this model's is 192"),
], ids=["fits", "one half is enough", "both halves", "a half is missing", "another family", "a folder"])
def test_an_embedding_of_another_width_is_refused_before_the_run(thin: Path, root: Path, tmp_path: Path, model: str, file: dict,
                                                                  said: str) -> None:
    write(tmp_path / "embeddings" / "cat.safetensors", {name: torch.zeros(shape) for name, shape in file.items()})
    library = Library([root / "models", thin, tmp_path])
    refused = check_embeddings(["a dog", "a cat, x"], library.find(model), library)
    assert len(refused) == bool(said) and all(said in str(one) and "if the word was meant, rename the file" in str(one)
                                              for one in refused)
    assert check_embeddings(["a dog", "{a|b} cat"], library.find(model), library) == []
