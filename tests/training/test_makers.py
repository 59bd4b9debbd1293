"""The makers: the start of the autoencoder, the loss weights, the folding of statistics, the crew, checkpoints."""

from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipelines.training.mini import base, drawn, latents, vae
from pipelines.training.mini.pictures import HELD_OUT, renders
from pipelines.training.mini.run import Average, Clock, Plan, keep, recall
from pipelines.training.mini.world.scene import FIRST


@pytest.fixture(scope="module")
def pictures():
    return renders(range(HELD_OUT, HELD_OUT + 4), FIRST)


def test_an_untrained_autoencoder_is_already_a_blur_of_the_picture(pictures):
    torch.manual_seed(0)
    model = vae.build()
    with torch.no_grad():
        made = model.decode(model.encode(pictures).latent_dist.mean).sample
    small = [torch.nn.functional.avg_pool2d(x, 32).flatten().numpy() for x in (made, pictures)]
    assert np.corrcoef(*small)[0, 1] > 0.9


def test_a_wider_autoencoder_is_taught_to_say_first_what_the_former_one_says(pictures, tmp_path, monkeypatch):
    torch.manual_seed(0)
    former = vae.build()
    former.save_pretrained(tmp_path)
    monkeypatch.setattr(vae, "CHANNELS", vae.CHANNELS + 4)
    lesson = vae.Lesson(vae.build(), Plan(tmp_path, 1), False, tmp_path)
    with torch.no_grad():
        said = former.encode(pictures).latent_dist.mean
        wide = torch.cat([said, torch.randn(len(said), 4, 16, 16)], 1)
        assert float(lesson.unlike(wide, pictures)) < 1e-3  # half precision where that is quicker
        assert float(lesson.unlike(wide + 1, pictures)) == pytest.approx(vae.KEPT, rel=0.05)
    total, pixels = lesson.learn(pictures[:1, :, :128, :128])
    total.backward()
    assert pixels > 0 and not pixels.requires_grad and lesson.model.encoder.conv_in.weight.grad.abs().max() > 0


def test_the_decoder_learns_alone_from_whole_pictures_and_latents_that_the_encoder_went_on_saying(tmp_path, monkeypatch):
    monkeypatch.setattr(vae, "HELD", 4)
    torch.manual_seed(0)
    model, run = vae.build(), SimpleNamespace(rng=Random(3), plan=Plan(tmp_path, 1, batch=2))
    pixels, means = next(vae.encoded(model, run))
    with torch.no_grad():
        said = model.encode(pixels).latent_dist.mean
    assert pixels.shape == (2, 3, 256, 256)
    assert (means - said).abs().mean() < 0.02 * said.abs().mean()  # half precision where that is quicker
    for part in (model.encoder, model.quant_conv):
        part.requires_grad_(False)
    total, _ = vae.Lesson(model, run.plan, True, None).learn(pixels, means)
    total.backward()
    assert model.encoder.conv_in.weight.grad is None and model.decoder.conv_in.weight.grad.abs().max() > 0


def test_noise_on_the_latents_is_what_the_second_psnr_measures(tmp_path):
    torch.manual_seed(0)
    model, plan = vae.build(), Plan(tmp_path, 1)
    clean, again, noisy = (vae.psnr(model, plan, "vae", 2, noise) for noise in (0.0, 0.0, 1.0))
    assert clean == again and noisy != clean and (tmp_path / "vae.png").exists()


def test_hands_draw_what_their_seeds_say_into_the_store(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn, "ROOM", 6)
    monkeypatch.setattr(drawn, "ENOUGH", 2)
    store = drawn.Drawn(Plan(tmp_path, 1, seed=5, hands=2), FIRST)
    try:
        assert store.batch(4).shape == (4, 3, 256, 256)
    finally:
        store.close()       # or they take both processors from every test that follows
    assert not any(process.is_alive() for process in store.drawing)
    held, filled = torch.zeros(2, 256, 256, 3, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64)

    class Enough(Exception):
        pass

    class Luck(Random):
        seeds = iter((7, 8))

        def randrange(self, *_):
            try:
                return next(self.seeds)
            except StopIteration:
                raise Enough from None

    with pytest.raises(Enough):
        drawn.fill(0, Luck(), FIRST, held, filled)
    assert int(filled) == 2
    expected = ((renders([7, 8], FIRST) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    assert torch.equal(held, expected)


def test_folding_normalises_latents_and_changes_no_picture(pictures):
    torch.manual_seed(0)
    model = vae.build()
    with torch.no_grad():
        plain = model.encode(pictures).latent_dist.mean
        before = model.decode(plain).sample
        flat = plain.transpose(0, 1).flatten(1)
        latents.fold(model, {"mean": flat.mean(1), "std": flat.std(1)})
        normed = model.encode(pictures).latent_dist.mean
        after = model.decode(normed).sample
    assert torch.allclose(normed.std((0, 2, 3)), torch.ones(vae.CHANNELS), atol=1e-3)
    assert torch.allclose(before, after, atol=1e-3)


def test_loss_weight_is_full_at_high_noise_and_capped_at_low():
    alphas = torch.tensor([0.9999, 0.5, 0.0003])
    found = base.weights(alphas)
    assert found[2] == pytest.approx(1, abs=1e-3) and found[1] == pytest.approx(1) and found[0] < 0.01


@pytest.mark.parametrize(("lean", "below"), [(1.0, 0.25), (2.0, 0.5)])
def test_a_run_that_leans_to_the_clean_end_sees_it_more_often(lean, below):
    seen = []

    def model(noisy, at, encoder_hidden_states):
        seen.append(at)
        return SimpleNamespace(sample=noisy)

    base.learn(model, torch.zeros(400, 2, 4, 4), torch.zeros(400, 1, 1), base.levels("cpu"), lean=lean)
    assert float((seen[0] < 250).float().mean()) == pytest.approx(below, abs=0.01)


def test_then_the_clean_end_counts_in_full():
    alphas, usual = base.levels("cpu")
    fine = base.levels("cpu", base.FINE)[1]
    clean = int((alphas / (1 - alphas) > base.FINE).sum())
    assert torch.allclose(fine[clean:], torch.ones(1)) and bool((usual[clean:100] < 0.75).all())


def test_learning_rate_warms_up_and_ends_near_its_floor(tmp_path):
    clock = Clock(Plan(tmp_path, minutes=1, peak=1e-3, warmup=10))
    assert clock.rate(0) == pytest.approx(1e-4, rel=0.05)
    assert Clock(Plan(tmp_path, minutes=1, peak=1e-3), spent=60).rate(1000) == pytest.approx(2e-5, rel=0.05)


def test_swapping_an_average_twice_restores_the_weights():
    layer = torch.nn.Linear(3, 3)
    average, kept = Average(layer.parameters(), 0.9), layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight += 1
    average.swap()
    assert torch.equal(layer.weight, kept)
    average.swap()
    assert torch.equal(layer.weight, kept + 1)


def test_a_checkpoint_comes_back_and_leaves_no_half_file(tmp_path):
    assert recall(tmp_path / "a.pt") is None
    keep(tmp_path / "a.pt", {"step": 3})
    assert recall(tmp_path / "a.pt") == {"step": 3} and [p.name for p in tmp_path.iterdir()] == ["a.pt"]
