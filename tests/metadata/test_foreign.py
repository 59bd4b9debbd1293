"""Pictures of other programs: what is known lands in our fields, the rest is kept under its own name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from PIL import Image

from pipelines.metadata import NOTHING, read

Make = Callable[..., bytes]
GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 42,
            "steps": 20,
            "cfg": 6.5,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red fox", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
}
FOOOCUS = {
    "prompt": "a red fox",
    "negative_prompt": "blurry",
    "steps": 20,
    "resolution": "(512, 768)",
    "guidance_scale": 6.5,
    "sharpness": 2.0,
    "base_model": "dream",
    "base_model_hash": "aabbccddee",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "42",
    "version": "Fooocus v2.5.5",
}
INVOKE = {
    "positive_prompt": "a red fox",
    "negative_prompt": "blurry",
    "width": 512,
    "height": 768,
    "seed": 42,
    "cfg_scale": 6.5,
    "steps": 20,
    "scheduler": "dpmpp_2m_k",
    "model": {"name": "dream", "hash": "blake3:00"},
    "app_version": "5.0.0",
}
NOVEL = {
    "steps": 20,
    "sampler": "k_euler_ancestral",
    "seed": 42,
    "scale": 6.5,
    "uc": "blurry",
    "width": 512,
    "height": 768,
}


def text(key: str, value: object) -> tuple[bytes, bytes]:
    body = value if isinstance(value, str) else json.dumps(value)
    return b"tEXt", key.encode() + b"\0" + body.encode()


FILES = {
    "ComfyUI": ([text("prompt", GRAPH), text("workflow", {"links": []})], "DPM++ 2M", "dream.safetensors"),
    "Fooocus": ([text("parameters", FOOOCUS), text("fooocus_scheme", "fooocus")], "DPM++ 2M SDE", "dream"),
    "InvokeAI": ([text("invokeai_metadata", INVOKE)], "DPM++ 2M", "dream"),
    "NovelAI": (
        [
            text("Description", "a red fox"),
            text("Software", "NovelAI"),
            text("Source", "Stable Diffusion 81274D13"),
            text("Comment", NOVEL),
        ],
        "Euler a",
        "Stable Diffusion",
    ),
}


@pytest.mark.parametrize("program", FILES)
def test_known_programs_land_in_our_fields(program: str, png_with: Make) -> None:
    chunks, sampler, model = FILES[program]
    found = read(png_with(*chunks))
    wanted = {
        "prompt": "a red fox",
        "negative_prompt": "blurry",
        "steps": 20,
        "cfg_scale": 6.5,
        "seed": 42,
        "width": 512,
        "height": 768,
        "sampler": sampler,
        "model": model,
    }
    assert found.source == program
    assert {key: found.request.get(key) for key in wanted} == wanted, found.notes


def test_unknown_keys_are_kept_and_named(png_with: Make) -> None:
    found = read(png_with(*FILES["Fooocus"][0]))
    assert found.unknown["sharpness"] == 2.0
    assert any(note.startswith("Not used: ") and "sharpness" in note for note in found.notes)


def test_a_comfy_file_saved_over_the_api_has_no_workflow(png_with: Make) -> None:
    assert read(png_with(text("prompt", GRAPH))).request["negative_prompt"] == "blurry"


def test_comfy_hides_its_graph_in_a_webp(picture: Image.Image) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(GRAPH)
    picture.save(file, "WEBP", exif=exif)
    assert read(file.getvalue()).request["seed"] == 42


DAMAGED = {
    "graph is a list": [text("prompt", '{"3": []}')],
    "graph is cut": [text("prompt", '{"3": {"inp')],
    "deep": [text("prompt", '{"a":' * 100_000)],
    "fooocus without keys": [text("parameters", "{}")],
    "novel without sampler": [text("Description", ""), text("Source", ""), text("Comment", "{}")],
    "invoke is a number": [text("invokeai_metadata", "7")],
}


@pytest.mark.parametrize("chunks", DAMAGED.values(), ids=DAMAGED)
def test_damaged_data_of_theirs_is_one_line(chunks: list[tuple[bytes, bytes]], png_with: Make) -> None:
    found = read(png_with(*chunks))
    assert found.notes[0] == NOTHING
    assert not found.found
    assert "data could not be read" in found.notes[1] or "without a sampler" in found.notes[1]


def test_midjourney_is_not_known(png_with: Make) -> None:
    assert read(png_with(text("Description", "a red fox --v 6 Job ID: 1234"))).notes == (NOTHING,)
