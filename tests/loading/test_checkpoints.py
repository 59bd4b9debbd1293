"""Real checkpoint layouts load offline, tensor for tensor as diffusers itself converts them (D45, P5, P9)."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from pipelines.families import FAMILIES
from pipelines.families.architecture import read_config, text_config, unet_config, vae_config
from pipelines.loading.compat import torch
from pipelines.loading.components import load_module, load_vae_file, with_weights
from pipelines.loading.library import Library
from pipelines.loading.vocabulary import clip_tokenizer
from pipelines.spec.errors import ModelFileError
from tests.loading.ldm_layout import build, export, thin_configs

SINGLE = ["sd15", "sd2", "sdxl"]


def written_configs(folder, family: str, configs) -> str:
    """Our config folder with the thin widths: what diffusers' own loader needs."""
    shutil.copytree(FAMILIES.get(family).config_dir, folder)
    for component, config in configs.items():
        (folder / component / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize("family", SINGLE)
def test_every_tensor_is_the_one_diffusers_converts(family, thin, cache, tmp_path):
    import diffusers
    path = thin / "Stable-diffusion" / f"thin-{family}.safetensors"
    config = written_configs(tmp_path / "config", family, thin_configs(family))
    tokenizers = {e.tokenizer: clip_tokenizer(cache, e.padding) for e in FAMILIES.get(family).encoders}
    cls = getattr(diffusers, FAMILIES.get(family).pipelines["txt2img"])
    reference = cls.from_single_file(path, config=config, dtype=torch.float16, **tokenizers)
    model = Library([thin]).find(f"thin-{family}")
    for component in with_weights(model):
        ours, theirs = load_module(model, component, torch.float16, mapping=False), getattr(reference, component)
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))


@pytest.mark.parametrize("family", SINGLE)
def test_the_header_of_a_full_size_checkpoint_gives_back_the_shipped_configs(family):
    row = FAMILIES.get(family)
    components = ["unet", "vae", *(e.component for e in row.encoders)]
    configs = {name: read_config(row.config_dir, name) for name in components}
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in export(build(configs, 0, torch.float16), family).items()}
    assert unet_config(row, shapes) == configs["unet"]
    assert vae_config(row.config_dir, shapes) == configs["vae"]
    assert all(text_config(row, e, shapes) == configs[e.component] for e in row.encoders)


@pytest.mark.parametrize("mapping", [False, True], ids=["read", "mapped"])
def test_weights_are_cast_or_kept_as_asked(thin, mapping):
    model = Library([thin]).find("thin-sd15")
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        module = load_module(model, "unet", dtype, mapping)
        assert {p.dtype for p in module.parameters()} == {dtype} and not module.training
        assert not any(p.requires_grad for p in module.parameters())


def test_weights_stored_in_eight_bits_are_widened(thin, tmp_path):
    small = {k: v.to(torch.float8_e4m3fn) for k, v in load_file(thin / "Stable-diffusion/thin-sd15.safetensors").items()}
    (tmp_path / "checkpoints").mkdir()
    save_file(small, tmp_path / "checkpoints" / "fp8.safetensors")
    module = load_module(Library([tmp_path]).find("fp8"), "unet", torch.float32, mapping=True)
    assert torch.equal(module.conv_in.weight, small["model.diffusion_model.input_blocks.0.0.weight"].float())


def damaged(source, target, change) -> None:
    tensors = load_file(source)
    change(tensors)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, target)


def widened(channels: int):
    def change(tensors):
        key = "model.diffusion_model.input_blocks.0.0.weight"
        tensors[key] = torch.zeros(32, channels, 3, 3, dtype=torch.float16)
    return change


MISSING = "model.diffusion_model.middle_block.0.in_layers.2.weight"
WRONG = {
    "one tensor missing": (lambda t: t.pop(MISSING), "its UNet lacks 1 of 684 tensors (mid_block.resnets.0.conv1.weight …)"),
    "a wrong shape": (lambda t: t.update({MISSING: torch.zeros(3, dtype=torch.float16)}), "has the shape (3,), not (64, 64, 3, 3)"),
    "quantized to whole numbers": (lambda t: t.update({MISSING: t[MISSING].to(torch.int8)}), "is quantized (int8)"),
    "packed to four bits": (lambda t: t.update({MISSING: torch.zeros(18432, 1, dtype=torch.uint8)}), "is quantized (uint8)"),
    "a block missing": (lambda t: [t.pop(k) for k in list(t) if "input_blocks.7." in k], "its unet lacks"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_a_checkpoint_with_wrong_tensors_is_named_and_never_half_loaded(thin, tmp_path, case):
    change, says = case
    damaged(thin / "Stable-diffusion/thin-sd15.safetensors", tmp_path / "checkpoints/bad.safetensors", change)
    with pytest.raises(ModelFileError) as caught:
        load_module(Library([tmp_path]).find("bad"), "unet", torch.float16, mapping=False)
    assert says in str(caught.value)


@pytest.mark.parametrize(("channels", "says"), [(8, "InstructPix2Pix"), (5, "depth-to-image"), (7, "x4 upscaling")])
def test_a_unet_with_other_inputs_is_refused_by_name(thin, tmp_path, channels, says):
    source = thin / "Stable-diffusion/thin-sd15.safetensors"
    damaged(source, tmp_path / "checkpoints/odd.safetensors", widened(channels))
    with pytest.raises(ModelFileError, match=says):
        Library([tmp_path]).find("odd")


def test_a_file_cut_while_it_is_opened_is_an_error_and_not_a_crash(copied, tmp_path):
    path = copied("checkpoints/a.safetensors")
    model = Library([tmp_path]).find("a")
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)
    for mapping in (False, True):
        with pytest.raises(ModelFileError, match="the file was cut off"):
            load_module(model, "unet", torch.float16, mapping)


@pytest.mark.parametrize("prefix", ["", "first_stage_model.", "diffusers"])
def test_a_vae_file_loads_in_each_layout(thin, tmp_path, prefix):
    parts = build({"vae": thin_configs("sd15")["vae"]}, 3, torch.float16)
    ldm = {k.removeprefix("first_stage_model."): v
           for k, v in load_file(thin / "Stable-diffusion/thin-sd15.safetensors").items() if k.startswith("first_stage")}
    tensors = parts["vae"].state_dict() if prefix == "diffusers" else {prefix + k: v for k, v in ldm.items()}
    (tmp_path / "VAE").mkdir()
    save_file(tensors, tmp_path / "VAE" / "v.safetensors")
    file = Library([tmp_path]).find_vae("v")
    module = load_vae_file(file, Library([thin]).find("thin-sd15"), torch.float16, mapping=False)
    assert module.config.scaling_factor == 0.18215 and module.config.block_out_channels == [32, 32, 64, 64]
