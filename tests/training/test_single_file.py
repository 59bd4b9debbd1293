"""Mini as one file in the original key layout: our own loader reads it back, and it paints the same picture."""

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines.families.mini import FOLDER
from pipelines.loading.components import load_module, load_tokenizer, scheduler_config
from pipelines.loading.library import Library
from pipelines.training import single_file

OUTWARD = ("_name_or_path", "_diffusers_version", "dtype", "force_upcast", "architectures", "transformers_version")


@pytest.fixture(scope="module")
def pipeline():
    return StableDiffusionPipeline.from_pretrained(FOLDER, dtype=torch.float16, safety_checker=None, local_files_only=True)


@pytest.fixture(scope="module")
def model(pipeline, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    single_file.write(pipeline.components, "mini", root / "Stable-diffusion" / "mini-single.safetensors")
    return Library([root]).find("mini-single")


def test_it_is_known_as_mini_before_it_is_loaded(model):
    assert (model.detected.family, model.prediction, model.problem) == ("mini", "v_prediction", "")


@pytest.fixture(scope="module", params=["unet", "vae", "text_encoder"])
def pair(model, pipeline, request):
    """A component from the single file, and mini's own."""
    return load_module(model, request.param, torch.float16, mapping=False), getattr(pipeline, request.param)


def test_every_tensor_comes_back(pair):
    ours, theirs = (module.state_dict() for module in pair)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_its_configs_are_the_folders(pair):
    ours, theirs = (m.config.to_dict() if hasattr(m.config, "to_dict") else m.config for m in pair)
    assert [key for key in theirs if key not in OUTWARD and ours.get(key) != theirs[key]] == []


def test_it_reads_words_and_noise_as_mini_does(model, pipeline, tmp_path):
    words = load_tokenizer(model, model.family.encoders[0], tmp_path)
    assert words("a red car").input_ids == pipeline.tokenizer("a red car").input_ids
    ours = scheduler_config(model)
    assert all(ours[key] == pipeline.scheduler.config[key] for key in ("beta_start", "beta_end", "prediction_type"))
