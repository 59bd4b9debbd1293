"""A second pass and a tiled upscale in AUTOMATIC1111's words, both ways."""

from __future__ import annotations

import pytest

from pipelines.metadata import from_infotext
from pipelines.metadata.infotext import infotext, parse_infotext
from pipelines.spec.request import GenerationRequest

A1111 = ("a castle\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, "
         "Size: 512x768, Model: sd15, "
         "Denoising strength: 0.45, Hires CFG Scale: 5, Hires upscale: 1.5, Hires steps: 12, Hires "
         "upscaler: Latent, Hires sampler: DDIM, Hires prompt: \"a castle, moss\", Version: v1.10.1")
HIRES = {"scale": 1.5, "steps": 12, "upscaler": "Latent", "denoising_strength": 0.45, "sampler": "DDIM", "cfg_scale": 5.0,
         "prompt": "a castle, moss"}


def test_automatic1111s_hires_fix_is_read() -> None:
    found = from_infotext(A1111)
    read, meant = (GenerationRequest.parse({"hires": fields}).hires for fields in (found.request["hires"], HIRES))
    assert read == meant and "init" not in found.request and not found.unknown


def test_a_size_is_read_from_hires_resize() -> None:
    found = from_infotext(A1111.replace("Hires upscale: 1.5", "Hires resize: 0x1024").replace("Latent", "None"))
    assert (found.request["hires"]["width"], found.request["hires"]["height"]) == (0, 1024)
    assert found.request["hires"]["upscaler"] == "Lanczos"


@pytest.mark.parametrize("fields", [
    {"hires": HIRES}, {"hires": {"width": 640, "height": 416, "upscaler": "Lanczos", "negative_prompt": "mud: brown"}},
    {"hires": {"model": "other", "schedule": "Karras"}},
    {"tiled": {"scale": 3, "method": "Feathered", "tile": 128, "padding": 16, "upscaler": "4x-Ultra"}},
    {"tiled": {"method": "Separate", "mask_blur": 3, "seam_fix": "Band"}},
    {"detailer": {}}, {"detailer": {"denoising_strength": 0.55, "padding": 48, "most": 2, "smallest": 0.01, "steps": 31,
                                    "cfg_scale": 3.5, "prompt": "a smile, [SEP] a: b", "negative_prompt": "teeth"}},
], ids=["hires", "to a size", "another model", "tiled", "separate tiles", "detailer", "a detailer of its own"])
def test_what_is_written_is_read_back(fields: dict) -> None:
    request = GenerationRequest.parse({"prompt": "a car", "seed": 3} | fields)
    found = from_infotext(infotext(request))
    again = GenerationRequest.parse({"prompt": "a car"} | found.request)
    assert (again.hires, again.tiled, again.detailer) == (request.hires, request.tiled, request.detailer) and not found.notes


ADETAILER = (
    'ADetailer model: {model}, ADetailer prompt: "a smile, happy", ADetailer confidence: 0.3, ADetailer dilate erode: 4, '
    "ADetailer mask blur: 6, ADetailer denoising strength: 0.35, ADetailer inpaint only masked: True, "
    "ADetailer inpaint padding: 40, ADetailer version: 24.11.1")


def test_adetailers_faces_are_the_detailers() -> None:
    found = from_infotext(A1111.replace("Version", ADETAILER.format(model="face_yolov8n.pt") + ", Version"))
    read = GenerationRequest.parse({"detailer": found.request["detailer"]}).detailer
    assert read == GenerationRequest.parse({"detailer": {"prompt": "a smile, happy", "mask_blur": 6, "denoising_strength": 0.35,
                                                         "padding": 40}}).detailer
    left = ("model", "confidence", "dilate erode", "inpaint only masked", "version")
    assert set(found.unknown) == {f"ADetailer {key}" for key in left}


def test_adetailers_hands_are_no_faces() -> None:
    found = from_infotext(A1111.replace("Version", ADETAILER.format(model="hand_yolov8n.pt") + ", Version"))
    assert found.request["detailer"] is None and "ADetailer denoising strength" in found.unknown


def test_the_scripts_own_keys_mean_separate_tiles() -> None:
    script = {"upscaler": "4x-UltraSharp", "tile_width": 512, "tile_height": 512, "mask_blur": 8, "padding": 32}
    text = A1111.split(", Denoising")[0] + ", Denoising strength: 0.2, " + ", ".join(
        f"Ultimate SD upscale {key}: {value}" for key, value in script.items())
    found = from_infotext(text)
    meant = {"upscaler": "4x-UltraSharp", "tile": 512, "mask_blur": 8, "padding": 32, "method": "Separate"}
    read, wanted = (GenerationRequest.parse({"tiled": fields}).tiled for fields in (found.request["tiled"], meant))
    assert read == wanted and found.request["init"]["denoising_strength"] == 0.2 and not found.unknown


def test_with_a_picture_and_a_second_pass_the_strength_is_the_second_passs() -> None:
    request = GenerationRequest.parse({"init": {"image": "a" * 64, "denoising_strength": 0}, "hires": {"denoising_strength": 0.4}})
    text = infotext(request)
    assert text.count("Denoising strength") == 1 and parse_infotext(text)["Denoising strength"] == "0.4"
