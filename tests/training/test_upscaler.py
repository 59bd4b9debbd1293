"""Mini's upscalers: the committed files load in spandrel and beat bicubic enlargement; a tiny run trains, resumes and writes."""

from random import Random

import pytest
import torch

from pipelines.training.mini import upscaler
from pipelines.training.mini.pictures import busy, to_tensor
from pipelines.training.mini.run import Plan, recall
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import sample

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


def test_a_deepened_upscaler_does_what_it_did_before():
    shallow, deep = (upscaler.Compact(num_feat=upscaler.WIDTH, num_conv=depth, upscale=2) for depth in (2, 5))
    deep.load_state_dict(upscaler.deepened(shallow.state_dict(), 5))
    small = torch.rand(1, 3, 8, 8)
    assert torch.allclose(deep(small), shallow(small), atol=1e-5)
    same = upscaler.deepened(shallow.state_dict(), 2)
    assert all(torch.equal(same[name], value) for name, value in shallow.state_dict().items())


def test_a_tiny_run_trains_resumes_and_writes_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(upscaler, "gain", lambda *_: (0.0, 0.0))
    for minutes in (0.02, 0.04):
        upscaler.train(Plan(tmp_path, minutes, batch=2), 2)
    first = recall(tmp_path / "upscaler2.pt")
    assert first["step"] > 1 and first["spent"] >= 2
    assert [p.name for p in upscaler.write(Plan(tmp_path, 1), tmp_path / "out")] == ["mini-x2.safetensors"]
    assert opened(tmp_path / "out" / "mini-x2.safetensors").scale == 2


def test_soft_pictures_are_taught_as_half_as_soft():
    large, rng = draw(sample(1, upscaler.world(((256, 1.0),)))), Random(0)
    energies = []
    for _ in range(40):
        small, taught = upscaler.pair(large, 2, rng)
        assert small.size == (128, 128) and taught.size == large.size
        energies.append(busy(to_tensor(taught)))
    soft = sum(energy < 0.9 * busy(to_tensor(large)) for energy in energies)
    assert 8 <= soft <= 24  # two fifths of them
