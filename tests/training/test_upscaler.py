"""Mini's upscalers: the committed files load in spandrel and beat bicubic enlargement; a tiny run trains, resumes and writes."""

import pytest
import torch

from pipelines.training.mini import upscaler
from pipelines.training.mini.run import Plan, recall

LEAST = {2: 1.7, 4: 1.6}  # dB over bicubic on four held-out renders; 2.5 and 2.3 were measured on sixteen


def opened(path):
    from spandrel import ModelLoader  # after pipelines, which makes its import safe

    return ModelLoader().load_from_file(path)


@pytest.mark.parametrize("scale", [2, 4])
def test_the_committed_upscaler_beats_bicubic_by_a_margin(root, scale):
    found = opened(root / "models" / "mini" / "upscaler" / f"mini-x{scale}.safetensors")
    assert found.scale == scale and found.architecture.id == "Compact"
    ours, bicubic = upscaler.gain(found.model.float().eval(), scale, 256 if scale == 2 else 512, 4)
    assert ours - bicubic > LEAST[scale]


def test_an_untrained_upscaler_repeats_pixels():
    small = torch.rand(1, 3, 4, 4)
    assert torch.allclose(upscaler.build(2)(small), small.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_a_tiny_run_trains_resumes_and_writes_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(upscaler, "gain", lambda *_: (0.0, 0.0))
    for minutes in (0.02, 0.04):
        upscaler.train(Plan(tmp_path, minutes, batch=2), 2)
    first = recall(tmp_path / "upscaler2.pt")
    assert first["step"] > 1 and first["spent"] >= 2
    assert [p.name for p in upscaler.write(Plan(tmp_path, 1), tmp_path / "out")] == ["mini-x2.safetensors"]
    assert opened(tmp_path / "out" / "mini-x2.safetensors").scale == 2
