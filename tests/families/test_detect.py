"""Whose file is it? From tensor names and shapes, folder configs, names and side-cars alone."""

import pytest

from pipelines.families import FAMILIES, detect_file, detect_folder
from pipelines.families.family import CONV_IN, UNET, VAE_PREFIX

BASE = {CONV_IN: (320, 4, 3, 3), VAE_PREFIX + "decoder.conv_in.weight": (512, 4, 3, 3)}
SD1 = {**BASE, "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768)}
SD2 = {**BASE, "cond_stage_model.model.token_embedding.weight": (49408, 1024)}
SDXL = {**BASE, "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
        "conditioner.embedders.1.model.token_embedding.weight": (49408, 1280)}
REFINER = {**BASE, "conditioner.embedders.0.model.token_embedding.weight": (49408, 1280)}


@pytest.mark.parametrize(("shapes", "family", "prediction"), [
    (SD1, "sd15", "epsilon"), (SD2, "sd2", "v_prediction"), (SDXL, "sdxl", "epsilon")], ids=["sd15", "sd2", "sdxl"])
def test_the_text_encoder_tells_the_family(shapes, family, prediction):
    found = detect_file(shapes, {}, "model", {})
    assert (found.kind, found.family, found.prediction, found.problem) == ("checkpoint", family, prediction, "")


OTHERS = {
    "refiner": (REFINER, "this is the SDXL refiner, which only finishes a picture"),
    "FLUX": ({"double_blocks.0.img_attn.norm.key_norm.scale": (128,)}, "this is a FLUX model, which this version cannot run"),
    "FLUX in a full file": ({UNET + "double_blocks.0.img_attn.qkv.weight": (9, 9)}, "this is a FLUX model"),
    "SD3": ({UNET + "joint_blocks.0.context_block.adaLN_modulation.1.bias": (9,)}, "this is a Stable Diffusion 3 model"),
    "bare UNet": ({CONV_IN: (320, 4, 3, 3)}, "it holds a UNet without a text encoder"),
    "nonsense": ({"hello": (1,)}, "it is no model that this version knows"),
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS.keys())
def test_what_cannot_run_is_recognised_and_named(case):
    shapes, says = case
    assert detect_file(shapes, {}, "model", {}).problem.startswith(says)


def test_nine_input_channels_are_an_inpainting_model_in_every_family():
    for shapes in (SD1, SD2, SDXL):
        assert detect_file({**shapes, CONV_IN: (320, 9, 3, 3)}, {}, "x", {}).variant == "inpaint"


V, EPS = "v_prediction", "epsilon"
SIGNS = {
    "nothing": ({}, "model", {}, V),
    "name says base": ({}, "512-base-ema", {}, EPS),
    "name says 768-v": ({}, "768-v-ema", {}, V),
    "name of 2.1": ({}, "v2-1_768-ema-pruned", {}, V),
    "metadata beats the name": ({"modelspec.prediction_type": "epsilon"}, "768-v-ema", {}, EPS),
    "metadata architecture": ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, "512-base", {}, V),
    "side-car beats all": ({"modelspec.prediction_type": "v"}, "768-v", {"parameterization": "eps"}, EPS),
    "original config": ({}, "512-base", {"model": {"params": {"parameterization": "v"}}}, V),
    "our word": ({}, "512-base", {"prediction_type": "v_prediction"}, V),
    "side-car without a word": ({}, "512-base", {"model": None, "parameterization": 7}, EPS),
}


@pytest.mark.parametrize("case", SIGNS.values(), ids=SIGNS.keys())
def test_the_signs_of_v_prediction_are_read_in_their_order(case):
    metadata, stem, side_car, expected = case
    assert detect_file(SD2, metadata, stem, side_car).prediction == expected


@pytest.mark.parametrize("stem", ["anime_vpred_10", "x-v-pred", "V_Pred"])
def test_a_name_makes_an_xl_fine_tune_v_and_markers_too(stem):
    assert detect_file(SDXL, {}, stem, {}).prediction == V
    marked = detect_file({**SDXL, "v_pred": (), "ztsnr": ()}, {}, "x", {})
    assert (marked.prediction, marked.zero_snr) == (V, True)


@pytest.mark.parametrize("stem", ["video-prediction", "1768-vision", "devpredator", "seps"])
def test_names_that_only_look_alike_change_nothing(stem):
    assert detect_file(SD1, {}, stem, {}).prediction == EPS


def folder(cls="StableDiffusionPipeline", unet=None, text=None, **index) -> dict:
    return {"model_index": {"_class_name": cls, "text_encoder": ["transformers", "CLIPTextModel"], **index},
            "unet": {"in_channels": 4, **(unet or {})}, "vae": {"latent_channels": 4},
            "text_encoder": text or {"hidden_act": "quick_gelu"}, "scheduler": {"prediction_type": "epsilon"}}


@pytest.mark.parametrize(("configs", "family"), [
    (folder(unet={"cross_attention_dim": 768}), "sd15"),
    (folder(unet={"cross_attention_dim": 1024}, text={"hidden_act": "gelu"}), "sd2"),
    (folder("StableDiffusionXLPipeline", text_encoder_2=["transformers", "CLIPTextModelWithProjection"]), "sdxl"),
    ({**folder(unet={"in_channels": 8}), "vae": {"latent_channels": 8}}, "mini"),
    ({**folder(unet={"in_channels": 16}), "vae": {"latent_channels": 16}}, "mini"),
], ids=["sd15", "sd2", "sdxl", "mini", "mini of 16"])
def test_a_folder_tells_its_family(configs, family):
    found = detect_folder(configs)
    assert (found.family, found.problem, found.prediction) == (family, "", "epsilon")


def test_other_folders_are_named():
    assert "this is a FluxPipeline folder" in detect_folder(folder("FluxPipeline")).problem
    assert "refiner" in detect_folder(folder("StableDiffusionXLPipeline", text_encoder=[None, None])).problem


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_a_family_is_consistent(family):
    from pipelines.spec.request import GenerationRequest
    sizes = [side for size in family.sizes.values() for side in size]
    assert set(family.sizes) == {"square", "portrait", "landscape"} and all(s % family.size_step == 0 for s in sizes)
    assert GenerationRequest.parse(dict(family.default_request)).size == family.sizes["square"]
    assert {"txt2img", "img2img", "inpaint"} <= set(family.pipelines)
