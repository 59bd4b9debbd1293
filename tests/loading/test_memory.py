"""Out of memory: explained, tried once more the cheaper way, and the next job succeeds. The decoder's NaN guard (D47)."""

import gc
import weakref

import pytest

from pipelines.loading.compat import torch
from pipelines.loading.decode import decode
from pipelines.loading.device import Budget, Device
from pipelines.loading.latent_rgb import fit
from pipelines.loading.library import Library
from pipelines.loading.memory import is_out_of_memory, with_memory_ladder
from pipelines.loading.residency import Residency
from pipelines.spec.errors import FieldError, OutOfMemory
from pipelines.spec.events import Note

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 GiB")
CPU = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
DEVICE = Device("cpu")


@pytest.fixture
def pipe(thin, cache):
    return Residency(Library([thin], cache), DEVICE, Budget(2**30, 2**30)).pipeline("txt2img", "thin-sd15")


def paint(pipe) -> torch.Tensor:
    return pipe("a cat", num_inference_steps=2, width=64, height=64, output_type="pt",
                generator=torch.Generator().manual_seed(3)).images


def failing(times: int, error: Exception, pipe):
    """A run that runs out of memory at its first `times` calls."""
    calls = []

    def run():
        calls.append(1)
        if len(calls) <= times:
            raise error
        return paint(pipe)
    return run


@pytest.mark.parametrize("error", [CUDA, CPU, MemoryError()], ids=["cuda", "cpu", "python"])
def test_it_is_tried_again_in_tiles_with_a_note_and_the_vae_is_as_before(pipe, error):
    notes: list = []
    picture = with_memory_ladder(failing(1, error, pipe), pipe, DEVICE, notes.append)
    assert notes == [Note("Memory was full; trying again with decoding in tiles.")]
    assert not pipe.vae.use_tiling and not pipe.vae.use_slicing
    assert torch.allclose(picture, paint(pipe), atol=1e-4)


def test_a_second_failure_is_one_clear_line_and_the_next_job_succeeds(pipe):
    with pytest.raises(OutOfMemory) as caught:
        with_memory_ladder(failing(2, CUDA, pipe), pipe, DEVICE, lambda e: None, "768×768 × 4")
    assert str(caught.value) == ("Memory: 768×768 × 4 did not fit after decoding in tiles. "
                                 "Try a smaller size or batch size, or start with --medvram.")
    assert torch.isfinite(with_memory_ladder(lambda: paint(pipe), pipe, DEVICE, lambda e: None)).all()


def test_the_tensors_of_the_failed_try_are_free_before_the_second(pipe):
    lost: list = []

    def run():
        if not lost:
            big = torch.zeros(1000)
            lost.append(weakref.ref(big))
            raise RuntimeError("CUDA out of memory")
        gc.collect()
        assert lost[0]() is None
        return "done"
    assert with_memory_ladder(run, pipe, DEVICE, lambda e: None) == "done"


def test_other_errors_pass_untouched(pipe):
    with pytest.raises(RuntimeError, match="shapes"):
        with_memory_ladder(failing(1, RuntimeError("shapes do not fit"), pipe), pipe, DEVICE, lambda e: None)
    assert not is_out_of_memory(ValueError("out of memory"))


def test_an_oom_while_decoding_is_cured_by_tiles(pipe, monkeypatch):
    plain = pipe.vae._decode

    def hungry(z, return_dict=True):
        if not pipe.vae.use_tiling:
            raise CUDA
        return plain(z, return_dict=return_dict)
    monkeypatch.setattr(pipe.vae, "_decode", hungry)
    assert with_memory_ladder(lambda: paint(pipe), pipe, DEVICE, lambda e: None).shape == (1, 3, 64, 64)


def test_decoding_equals_the_pipelines_own(pipe):
    latents = pipe("a cat", num_inference_steps=2, width=64, height=64, output_type="latent",
                   generator=torch.Generator().manual_seed(3)).images
    assert torch.equal(decode(pipe.vae, latents), paint(pipe))


def test_a_vae_that_overflows_in_half_precision_is_decoded_again_in_fp32(pipe, monkeypatch):
    vae, notes = pipe.vae.to(torch.float16), []
    plain = vae.decode

    def overflowing(z, return_dict=True):
        out = plain(z, return_dict=return_dict)
        return (out[0] * float("nan"),) if z.dtype == torch.float16 else out
    monkeypatch.setattr(vae, "decode", overflowing)
    pictures = decode(vae, torch.randn(1, 4, 8, 8), notes.append)
    assert torch.isfinite(pictures).all() and vae.dtype == torch.float16
    assert notes == [Note("The VAE overflowed in float16; decoded again in float32.")]


def test_latents_that_are_no_numbers_are_an_error_with_a_way_out(pipe):
    with pytest.raises(FieldError, match="Precision: float32 - the model overflowed .* Start with --precision float32"):
        decode(pipe.vae, torch.full((1, 4, 8, 8), float("nan")))


def test_the_preview_matrix_follows_the_vae(pipe):
    matrix = fit(pipe.vae)
    again = fit(pipe.vae)
    assert matrix.weight.shape == (4, 3) and torch.allclose(matrix.weight, again.weight, atol=1e-4)
    assert matrix.picture(torch.randn(4, 8, 12)).shape == (8, 12, 3)


def test_the_preview_of_a_linear_decoder_is_exact():
    class Linear(torch.nn.Module):
        class config:
            latent_channels, scaling_factor = 8, 0.5

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(8, 3, generator=torch.Generator().manual_seed(1)) * 0.05)

        def decode(self, z, return_dict=False):
            small = torch.einsum("nchw,cd->ndhw", z * 0.5, self.weight)
            return (small.repeat_interleave(16, 2).repeat_interleave(16, 3),)
    vae = Linear()
    matrix = fit(vae)
    assert torch.allclose(matrix.weight, vae.weight / 2, atol=1e-4)
    assert torch.allclose(matrix.bias, torch.tensor(0.5), atol=1e-4)
