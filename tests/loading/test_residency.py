"""The one holder of weights: tasks share modules, checkpoints come and go, memory returns to its baseline (P3, B5)."""

import gc

import psutil
import pytest
from safetensors.torch import load_file, save_file

from pipelines.loading.compat import torch
from pipelines.loading.device import Budget, Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.spec.errors import FieldError, ModelFileError
from pipelines.spec.events import Stage

GB = 2**30
NAMES = ("thin-sd15", "thin-sd2", "thin-sdxl")


def residency(root, cache, ram: int = GB, **device) -> Residency:
    return Residency(Library([root], cache), Device.pick("cpu", **device), Budget(vram=ram, ram=ram))


def modules_of(pipe) -> dict[str, int]:
    return {name: id(part) for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}


def live_bytes() -> int:
    gc.collect()
    return sum({o.untyped_storage().data_ptr(): o.untyped_storage().nbytes() for o in gc.get_objects()
                if type(o) in (torch.Tensor, torch.nn.Parameter) and o.device.type == "cpu"}.values())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", NAMES)
def test_switching_the_task_shares_every_module_and_copies_nothing(thin, cache, name, precision):
    holder = residency(thin, cache, precision=precision)
    first = holder.pipeline("txt2img", name)
    pointers = [p.data_ptr() for p in first.unet.parameters()]
    loads = holder.loads
    for task in ("img2img", "inpaint", "txt2img"):
        again = holder.pipeline(task, name)
        assert modules_of(again) == modules_of(first) and again.unet.dtype == holder.device.dtype
        assert again.scheduler is not first.scheduler
    assert [p.data_ptr() for p in first.unet.parameters()] == pointers
    assert (holder.loads, holder.bytes_moved) == (loads, 0)


@pytest.mark.parametrize("name", ["mini", *NAMES])
def test_each_family_paints(thin, cache, mini_dir, name):
    holder = Residency(Library([thin, mini_dir.parent], cache), Device.pick("cpu"), Budget(GB, GB))
    pipe = holder.pipeline("txt2img", name)
    picture = pipe("a red car", num_inference_steps=2, width=64, height=64, output_type="pt",
                   generator=torch.Generator().manual_seed(1)).images
    assert picture.shape == (1, 3, 64, 64) and torch.isfinite(picture).all()
    assert pipe.scheduler.config.prediction_type == holder.library.find(name).prediction


def test_twenty_switches_among_three_checkpoints_and_two_tasks_end_at_the_baseline(thin, cache):
    holder = residency(thin, cache, ram=70 * 2**20)     # one checkpoint and a half
    for name in NAMES:
        holder.pipeline("txt2img", name)
    holder.pipeline("txt2img", NAMES[0])
    holder.evict()
    before, rss, loads = live_bytes(), psutil.Process().memory_info().rss, holder.loads
    for turn in range(20):
        pipe = holder.pipeline(("txt2img", "img2img")[turn % 2], NAMES[turn // 2 % 3])
        assert sum(size for _, _, size, _ in holder.resident()) <= 70 * 2**20
        del pipe
    assert holder.loads - loads <= 10 * 4
    holder.evict()
    grown, grown_rss = live_bytes() - before, psutil.Process().memory_info().rss - rss
    assert grown < 2**20 and grown_rss < 40 * 2**20, f"tensors {grown / 2**20:.1f} MB, RSS {grown_rss / 2**20:.1f} MB"


def test_the_checkpoint_used_longest_ago_goes_first(thin, cache):
    holder = residency(thin, cache, ram=75 * 2**20)
    for name in ("thin-sd15", "thin-sd2", "thin-sd15"):
        holder.pipeline("txt2img", name)
    holder.pipeline("txt2img", "thin-sdxl")
    assert {model for model, *_ in holder.resident()} == {"thin-sdxl"} or "thin-sd2" not in {
        model for model, *_ in holder.resident()}


def test_a_model_over_the_budget_is_still_tried(thin, cache):
    holder = residency(thin, cache, ram=1)
    assert holder.pipeline("txt2img", "thin-sd15").unet is not None
    assert {model for model, *_ in holder.resident()} == {"thin-sd15"}


def test_a_chosen_vae_is_shared_and_the_rest_is_not_loaded_again(thin, cache, tmp_path):
    vae = {k: v for k, v in load_file(thin / "Stable-diffusion/thin-sd15.safetensors").items() if k.startswith("first_stage")}
    (tmp_path / "VAE").mkdir()
    save_file(vae, tmp_path / "VAE" / "mine.safetensors")
    holder = Residency(Library([thin, tmp_path], cache), Device.pick("cpu"), Budget(GB, GB))
    own, chosen = holder.pipeline("txt2img", "thin-sd15"), holder.pipeline("txt2img", "thin-sd15", "mine")
    other = holder.pipeline("img2img", "thin-sd2", "mine")
    assert chosen.unet is own.unet and chosen.vae is not own.vae and other.vae is chosen.vae
    assert holder.pipeline("txt2img", "thin-sd15", "Automatic").vae is own.vae


def test_a_vae_of_other_latents_is_refused(thin, cache, mini_dir, tmp_path):
    vae = {k: v for k, v in load_file(thin / "Stable-diffusion/thin-sd15.safetensors").items() if k.startswith("first_stage")}
    (tmp_path / "VAE").mkdir()
    save_file(vae, tmp_path / "VAE" / "four.safetensors")
    holder = Residency(Library([mini_dir.parent, tmp_path], cache), Device.pick("cpu"), Budget(GB, GB))
    with pytest.raises(FieldError, match="VAE: four - it has 4 latent channels and the model 16"):
        holder.pipeline("txt2img", "mini", "four")


def test_a_checkpoint_without_vae_asks_for_one(thin, cache, tmp_path):
    pruned = {k: v for k, v in load_file(thin / "Stable-diffusion/thin-sd15.safetensors").items() if not k.startswith("first_")}
    (tmp_path / "checkpoints").mkdir()
    save_file(pruned, tmp_path / "checkpoints" / "pruned.safetensors")
    with pytest.raises(ModelFileError, match="pruned - it holds no VAE. Choose one in the VAE field."):
        residency(tmp_path, cache).pipeline("txt2img", "pruned")


def test_an_inpainting_checkpoint_is_refused_for_text_to_image_and_works_for_inpainting(thin, cache, tmp_path):
    tensors = load_file(thin / "Stable-diffusion/thin-sd15.safetensors")
    tensors["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(32, 9, 3, 3, dtype=torch.float16)
    (tmp_path / "checkpoints").mkdir()
    save_file(tensors, tmp_path / "checkpoints" / "fill.safetensors")
    holder = residency(tmp_path, cache)
    with pytest.raises(FieldError, match="Model: fill - this is an inpainting model and cannot do text to image"):
        holder.pipeline("txt2img", "fill")
    assert holder.pipeline("inpaint", "fill").unet.config.in_channels == 9


def test_a_replaced_file_is_refused_until_refreshed_and_then_loaded_anew(copied, cache, tmp_path):
    path = copied("checkpoints/a.safetensors")
    holder = residency(tmp_path, cache)
    old = holder.pipeline("txt2img", "a").unet
    copied("checkpoints/new.safetensors", "sd2").replace(path)
    with pytest.raises(ModelFileError, match="it changed on disk since it was listed"):
        holder.pipeline("txt2img", "a")
    holder.library.scan()
    assert holder.pipeline("txt2img", "a").unet is not old and len(holder.resident()) == 3


def test_loading_is_announced_once(thin, cache):
    seen: list = []
    holder = residency(thin, cache)
    holder.pipeline("txt2img", "thin-sd15", emit=seen.append)
    holder.pipeline("img2img", "thin-sd15", emit=seen.append)
    assert seen == [Stage("Loading thin-sd15")]


@pytest.mark.parametrize("policy", ["medvram", "lowvram"])
def test_a_memory_policy_gives_the_same_picture(thin, cache, policy):
    def picture(holder: Residency) -> torch.Tensor:
        pipe = holder.pipeline("txt2img", "thin-sd15")
        return pipe("a cat", num_inference_steps=2, width=64, height=64, output_type="pt",
                    generator=torch.Generator().manual_seed(3)).images
    frugal = residency(thin, cache, policy=policy)
    plain = picture(residency(thin, cache))
    assert torch.allclose(picture(frugal), plain, atol=1e-5) and torch.allclose(picture(frugal), plain, atol=1e-5)


def test_a_single_module_lives_under_the_same_budget_as_checkpoints(thin, cache, tmp_path):
    holder = residency(thin, cache, ram=40 * 2**20)
    holder.pipeline("txt2img", "thin-sd15")
    file = tmp_path / "x4.safetensors"
    file.write_bytes(b"weights")
    first = holder.module(file, "upscaler", lambda: torch.nn.Linear(1024, 1024), 2**22)
    again = holder.module(file, "upscaler", lambda: pytest.fail("read twice"), 2**22)
    assert first is again and ("x4", "upscaler") in [(m, c) for m, c, _, _ in holder.resident()]
    assert holder.module(file, "other part", lambda: torch.nn.Linear(8, 8), 2**8) is not first
    holder.module(file, "large", lambda: torch.nn.Linear(2048, 4096), 2**25)     # as large as nearly all that is allowed
    assert sum(size for _, _, size, _ in holder.resident()) <= 40 * 2**20
    assert "thin-sd15" not in [m for m, _, _, _ in holder.resident()]


def test_a_replaced_file_is_another_module_and_its_old_weights_go(thin, cache, tmp_path):
    holder = residency(thin, cache)
    file = tmp_path / "x4.safetensors"
    file.write_bytes(b"weights")
    old = holder.module(file, "upscaler", lambda: torch.nn.Linear(8, 8), 2**8)
    file.write_bytes(b"newer weights")
    assert holder.module(file, "upscaler", lambda: torch.nn.Linear(8, 8), 2**8) is not old
    assert len(holder.resident()) == 1
    file.unlink()
    with pytest.raises(ModelFileError, match="no longer there"):
        holder.module(file, "upscaler", lambda: torch.nn.Linear(8, 8), 2**8)
