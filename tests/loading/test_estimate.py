"""Fault A6: a size that will not fit is told before the run, with the estimate and what will be done instead."""

import pytest

from pipelines.loading import estimate, memory
from pipelines.loading.compat import torch
from pipelines.loading.device import Budget, Device
from pipelines.loading.library import Library
from pipelines.loading.memory import foreseen
from pipelines.loading.residency import Residency
from pipelines.spec.events import Note
from pipelines.spec.geometry import Size

GB, MB = 10**9, 10**6
SLIM, THIN, FULL = (8, 16, 32, 64, 128), (32, 64, 128, 128), (128, 256, 512, 512)
# Peak of resident memory over what it was with the weights loaded, random weights, float32, one thread on an AVX2 CPU,
# torch 2.13.0, diffusers 0.42.1. THIN is Stable Diffusion's decoder with a quarter of its channels.
DECODED = [(SLIM, 512, 0, 156), (SLIM, 1024, 0, 364), (SLIM, 2048, 0, 1134), (THIN, 512, 0, 341), (THIN, 1024, 0, 1009),
           (FULL, 256, 0, 322), (SLIM, 2048, 256, 206), (THIN, 1024, 512, 487)]
SAMPLED = [(64, 64, 81), (64, 96, 188), (320, 32, 156), (96, 32, 28), (96, 64, 75)]     # channels, latent side, MB; guided


@pytest.mark.parametrize(("channels", "side", "tile", "measured"), DECODED, ids=str)
def test_the_estimate_of_decoding_is_above_what_was_measured_and_not_by_much(channels, side, tile, measured):
    vae, size = {"block_out_channels": channels}, Size(side, side)
    told = estimate.decoding_in_tiles(vae, size, 4, tile) if tile else estimate.decoding(vae, size, 4)
    assert measured * MB <= told <= 1.75 * measured * MB


@pytest.mark.parametrize(("channels", "side", "measured"), SAMPLED, ids=str)
def test_the_estimate_of_sampling_is_above_what_was_measured(channels, side, measured):
    told = estimate.sampling({"block_out_channels": [channels]}, Size(side, side), 2, 4)
    assert measured * MB <= told <= 1.4 * measured * MB + 100 * MB


@pytest.mark.parametrize(("channels", "widest"), [((128, 256, 512, 512), 256), ((64,), 64), ((8, 8, 256), 64)], ids=str)
def test_the_widest_layer_is_found_wherever_it_is(channels, widest):
    assert estimate.widest(channels) == widest


def test_tiles_need_less_only_for_a_picture_larger_than_one():
    vae = {"block_out_channels": FULL}
    assert estimate.decoding_in_tiles(vae, Size(512, 384), 4, 512) == estimate.decoding(vae, Size(512, 384), 4)
    assert estimate.decoding_in_tiles(vae, Size(4096, 4096), 4, 512) < estimate.decoding(vae, Size(4096, 4096), 4) / 20


@pytest.mark.parametrize(("size", "text"), [(69 * GB, "69 GB"), (3_160 * MB, "3.2 GB"), (400 * MB, "400 MB")])
def test_sizes_are_told_in_short(size, text):
    assert estimate.told(size) == text


@pytest.fixture
def pipe(thin, cache):
    return Residency(Library([thin], cache), Device("cpu"), Budget(2**30, 2**30)).pipeline("txt2img", "thin-sd15")


def free(monkeypatch, size: int, device: Device) -> Device:
    monkeypatch.setattr(Device, "free_memory", lambda self: size)
    return device


def test_what_fits_is_run_as_ever_without_a_word(pipe, monkeypatch):
    notes: list = []
    with foreseen(pipe, Size(512, 512), 1, free(monkeypatch, 20 * GB, Device("cpu")), notes.append):
        assert not pipe.vae.use_tiling
    assert notes == []


def test_a_picture_that_will_not_fit_is_told_with_figures_and_decoded_in_tiles(pipe, monkeypatch):
    notes: list = []
    needed = estimate.told(estimate.decoding(pipe.vae.config, Size(4096, 4096), 4))
    with foreseen(pipe, Size(4096, 4096), 1, free(monkeypatch, 3 * GB, Device("cpu")), notes.append):
        assert pipe.vae.use_tiling and pipe.vae.use_slicing
    assert notes[-1] == Note(f"Size: 4096×4096 - decoding needs about {needed}, 3.0 GB are free. It will be decoded in tiles.")
    assert not pipe.vae.use_tiling and not pipe.vae.use_slicing


def test_where_no_tiles_help_it_says_so(pipe, monkeypatch):
    notes: list = []
    with foreseen(pipe, Size(256, 256), 3, free(monkeypatch, MB, Device("cpu")), notes.append):
        pass
    assert [note.text.split(" - ")[0] for note in notes] == ["Size: 256×256 × 3", "Size: 256×256"]
    assert all(note.text.endswith("is safe.") and "may fail" in note.text for note in notes)


def test_on_a_card_components_are_moved_in_one_by_one_from_the_start(pipe, monkeypatch):
    card, moved = free(monkeypatch, 100 * MB, Device("cuda")), []
    monkeypatch.setattr(pipe, "enable_model_cpu_offload", lambda device: moved.append(device.type))
    monkeypatch.setattr(pipe, "to", lambda device: moved.append("back"))
    monkeypatch.setattr(memory, "free", lambda device: None)
    notes: list = []
    with foreseen(pipe, Size(512, 512), 4, card, notes.append):
        assert moved == ["cuda"]
    assert moved == ["cuda", "back"] and "One component at a time" in notes[0].text


def test_half_precision_needs_half_unless_the_vae_overflows(pipe, monkeypatch):
    device, told = free(monkeypatch, 1, Device("cpu")), []
    for upcast in (False, True):
        pipe.vae.to(torch.float16).register_to_config(force_upcast=upcast)
        monkeypatch.setattr(memory, "_warn", lambda emit, what, stage, needed, *rest: told.append((stage, needed)))
        with foreseen(pipe, Size(512, 512), 1, device, told.append):
            pass
    half, whole = (needed for stage, needed in told if stage == "decoding")
    assert half < whole == estimate.decoding(pipe.vae.config, Size(512, 512), 4)
