"""A run that begins from the weights that ship holds exactly those, and goes on from there."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.training.mini import adopt, base, export
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.vae import CHANNELS
from tests.training.chunks import chunk

FAMILY = Path("models/mini")


def test_the_adopted_family_is_the_shipped_one_and_can_be_written_again(tmp_path):
    plan = Plan(tmp_path, 1)
    stages = adopt.adopt(plan, FAMILY)
    assert {"vae", "text", "base", "controlnet-pose", "identity", "clip", "upscaler4"} <= set(stages)
    pipeline = export.assemble(plan)
    for part, name in ((pipeline.vae, "vae"), (pipeline.text_encoder, "text_encoder"), (pipeline.unet, "unet")):
        true, made = load_file(next((FAMILY / name).glob("*.safetensors"))), part.state_dict()
        assert all(torch.allclose(made[key].half(), value, atol=2e-3) for key, value in true.items() if key in made)
    assert adopt.adopt(plan, FAMILY) == []  # what the run has is not overwritten


def test_training_goes_on_from_adopted_weights(tmp_path):
    adopt.adopt(Plan(tmp_path, 1), FAMILY)
    before = recall(tmp_path / "base.pt")["model"]["conv_in.weight"]
    group = chunk(torch.arange(4))
    keep(tmp_path / "latents" / "0000.pt", {"groups": [group]})
    plan = Plan(tmp_path, 0.05, batch=2, warmup=1)
    base.train(plan, base.Crew(plan, 0, 1))
    after = recall(tmp_path / "base.pt")
    assert after["step"] >= 1 and 0 < float((after["model"]["conv_in.weight"] - before).abs().max()) < 0.1


def test_a_file_that_does_not_fit_is_named(tmp_path):
    save_file({"strange": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"a\.safetensors: does not fit probe: .*strange"):
        adopt.taken(tmp_path / "probe.pt", tmp_path / "a.safetensors", adopt.probe.Probe)


def test_a_model_for_more_channels_goes_on_from_what_a_narrower_one_knows(monkeypatch):
    narrow = base.build()
    monkeypatch.setattr(base, "CHANNELS", CHANNELS + 4)
    wide = base.build().eval()
    wide.load_state_dict(adopt.widened(narrow.state_dict(), wide.state_dict()))
    noisy, states = torch.randn(1, CHANNELS + 4, 16, 16), torch.randn(1, 77, 192)
    with torch.no_grad():
        made, known = (net(seen, 5, states).sample for net, seen in ((wide, noisy), (narrow.eval(), noisy[:, :CHANNELS])))
    assert torch.allclose(made[:, :CHANNELS], known, atol=1e-5) and not made[:, CHANNELS:].any()
