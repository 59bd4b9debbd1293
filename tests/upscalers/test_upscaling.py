"""The result has exactly the asked size whatever the network's factor is, keeps alpha, shows no tiles, and stops when told."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipelines.deep import Deep
from pipelines.loading.compat import torch
from pipelines.spec.errors import Cancelled, FieldError, ModelFileError, OutOfMemory
from pipelines.spec.events import Note, Step
from pipelines.spec.geometry import Size
from pipelines.upscalers import Target, Tiling, Upscaler
from pipelines.upscalers.painting import draw as drawn_in_tiles
from pipelines.upscalers.painting import passes
from pipelines.upscalers.upscaling import Request, blend, enlarged, upscale
from pipelines.upscalers.weights import read


def quiet(event: object) -> None:
    """Nobody listens."""


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


class Doubles:
    """Stands where a network would: larger by nearest, so that the right result is known."""

    device = None

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.largest = 0

    def __call__(self, picture: Image.Image) -> Image.Image:
        self.largest = max(self.largest, *picture.size)
        return picture.resize((picture.width * self.scale, picture.height * self.scale), Image.Resampling.NEAREST)


@pytest.mark.parametrize("scale", [1, 1.1, 2, 2.37, 3, 4, 5.5, 8])
@pytest.mark.parametrize("name", ["Lanczos", "mini-x2", "general-x4", "1x-clean", "4x-Ultra", "grey-x4"])
def test_the_size_is_exact_for_every_factor(upscalers, holder, picture, name, scale):
    result = upscale(Request(picture.crop((0, 0, 13, 9)), upscalers.find(name), Target(scale)), holder, quiet)
    assert result.size == (round(13 * scale), round(9 * scale)) and result.mode == "RGB"


@pytest.mark.parametrize("size", [Size(61, 47), Size(1, 90), Size(90, 1), Size(33, 32), Size(1, 1)], ids=str)
@pytest.mark.parametrize(("scale", "overlap"), [(1, 0), (2, 0), (2, 8), (4, 16), (1, 15)])
def test_a_network_that_changes_nothing_gives_the_same_picture_in_tiles(size, scale, overlap):
    source = Image.fromarray(np.random.default_rng(1).integers(0, 256, (size.height, size.width, 3), np.uint8))
    target = Size(size.width * scale, size.height * scale)
    drawn = drawn_in_tiles(source, target, Doubles(scale), Tiling(32, overlap), quiet)
    assert difference(drawn, source.resize(target, Image.Resampling.NEAREST)) == 0


@pytest.mark.parametrize("factor", [1.5, 2.37, 3, 5.5])
def test_tiles_off_the_grid_equal_the_picture_in_one_piece(picture, factor):
    smooth = picture.resize((200, 150), Image.Resampling.BICUBIC)
    target = Size(round(200 * factor), round(150 * factor))
    whole = drawn_in_tiles(smooth, target, Doubles(4), Tiling(512, 0), quiet)
    tiled = drawn_in_tiles(smooth, target, Doubles(4), Tiling(64, 16), quiet)
    assert difference(whole, tiled) <= 2        # two roundings: of the resampler's weights and of the fade


def test_seams_of_a_real_network_stay_below_what_can_be_seen(upscalers, holder, picture):
    large, net = picture.resize((150, 130)), upscalers.find("general-x4")
    whole = upscale(Request(large, net, Target(4), Tiling(512, 32)), holder, quiet)
    tiled = upscale(Request(large, net, Target(4), Tiling(64, 32)), holder, quiet)
    assert difference(whole, tiled) <= 1


@pytest.mark.parametrize(("scale", "target", "expected"), [
    (2, Size(80, 80), [Size(20, 20), Size(40, 40), Size(80, 80)]), (4, Size(15, 15), [Size(15, 15)]),
    (4, Size(41, 41), [Size(40, 40), Size(41, 41)]), (1, Size(80, 80), [Size(80, 80)])])
def test_a_network_runs_as_often_as_the_factor_needs(scale, target, expected):
    assert passes(Size(10, 10), target, scale) == expected


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_picture_survives(upscalers, holder, picture, mode):
    sixteen = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
    source = sixteen if mode == "I;16" else picture.convert(mode)
    result = upscale(Request(source, upscalers.find("mini-x2"), Target(2)), holder, quiet)
    plain = upscale(Request(picture.convert("L").convert("RGB"), upscalers.find("mini-x2"), Target(2)), holder, quiet)
    assert result.size == (122, 94) and result.mode == ("RGBA" if mode in ("LA", "RGBA") else "RGB")
    if mode in ("L", "I;16"):
        assert difference(result, plain) == 0


@pytest.mark.parametrize("name", ["Nearest", "mini-x2"])
def test_alpha_is_kept_and_enlarged(upscalers, holder, picture, name):
    alpha = Image.new("L", picture.size, 0)
    alpha.paste(255, (20, 10, 40, 30))
    picture.putalpha(alpha)
    result = upscale(Request(picture, upscalers.find(name), Target(3)), holder, quiet).getchannel("A")
    assert result.getpixel((90, 60)) == 255 and result.getpixel((10, 10)) == 0 and result.size == (183, 141)


def test_a_turned_photograph_comes_out_upright(upscalers, holder, picture):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    picture.save(file, "JPEG", exif=exif)
    result = upscale(Request(Image.open(file), upscalers.find("Lanczos"), Target(2)), holder, quiet)
    assert result.size == (94, 122)


@pytest.mark.parametrize(("target", "size"), [
    (Target(width=200), (200, 154)), (Target(height=94), (122, 94)), (Target(width=100, height=100), (100, 100)),
    (Target(width=100, height=100, crop=False), (100, 100)), (Target(width=20, height=300), (20, 300))],
    ids=["by width", "by height", "cropped", "stretched", "narrow"])
def test_an_exact_size_is_reached(upscalers, holder, picture, target, size):
    assert upscale(Request(picture, upscalers.find("mini-x2"), target), holder, quiet).size == size


@pytest.mark.parametrize(("target", "line"), [
    (Target(0.5), "Upscale by: 0.5 - outside the range. Allowed: 1-8."), (Target(9), "Upscale by: 9"),
    (Target(float("nan")), "Upscale by: nan"), (Target(width=16385), "Width: 16385 - outside the range"),
    (Target(width=16000), "Size: 16000×12328 - too large"), (Target(height=-1), "Height: -1")])
def test_a13_a_size_that_cannot_be_is_refused_before_anything_is_loaded(upscalers, holder, picture, target, line):
    with pytest.raises(FieldError) as refused:
        upscale(Request(picture, upscalers.find("mini-x2"), target), holder, quiet)
    assert str(refused.value).startswith(line) and holder.loads == 0


@pytest.mark.parametrize(("tiling", "line"), [
    (Tiling(64, 64), "Tile overlap: 64 - more than half of the tile (64). Allowed: 0-32."),
    (Tiling(0, 40), "Tile overlap: 40"), (Tiling(64, -1), "Tile overlap: -1"), (Tiling(8, 0), "Tile size: 8")])
def test_a14_an_overlap_that_does_not_fit_its_tile_is_refused(upscalers, holder, picture, tiling, line):
    with pytest.raises(FieldError) as refused:
        upscale(Request(picture, upscalers.find("mini-x2"), Target(2), tiling), holder, quiet)
    assert str(refused.value).startswith(line)


def test_steps_are_counted_over_all_passes_and_a_stop_is_obeyed_at_a_tile(upscalers, holder, picture):
    heard: list[Step] = []

    def listen(event: object) -> None:
        if isinstance(event, Step):
            heard.append(event)
            if len(heard) == 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        upscale(Request(picture, upscalers.find("mini-x2"), Target(8), Tiling(32, 8)), holder, listen)
    assert [e.step for e in heard] == [1, 2, 3] and 0 < heard[-1].fraction < 1


def refusing(limit: int) -> Callable:
    """A forward that has no room for tiles larger than `limit`."""
    def forward(self, image):
        if max(image.shape[-2:]) > limit:
            raise torch.OutOfMemoryError("no room")
        return self._descriptor(image)

    return forward


@pytest.mark.parametrize("limit", [40, 20], ids=["a half fits", "nothing fits"])
def test_when_memory_runs_out_the_tile_is_halved_and_it_is_said(upscalers, holder, picture, monkeypatch, limit):
    monkeypatch.setattr("pipelines.upscalers.weights.Network.forward", refusing(limit))
    notes: list[str] = []
    request = Request(picture, upscalers.find("mini-x2"), Target(2), Tiling(64, 8))
    try:
        result = upscale(request, holder, lambda e: notes.append(e.text) if isinstance(e, Note) else None)
    except OutOfMemory as error:
        assert limit == 20 and "32 pixels" in str(error)
    else:
        assert limit == 40 and result.size == (122, 94) and len(notes) == 1 and "trying again" in notes[0]


@pytest.mark.parametrize("visibility", [0, 0.25, 1])
def test_two_upscalers_are_blended(upscalers, holder, picture, visibility):
    request, second = Request(picture, upscalers.find("Nearest"), Target(2)), upscalers.find("Lanczos")
    parts = [np.asarray(upscale(request._replace(upscaler=u), holder, quiet), float) for u in (request.upscaler, second)]
    mixed = np.asarray(blend(request, second, visibility, holder, quiet), float)
    assert np.abs(mixed - (parts[0] * (1 - visibility) + parts[1] * visibility)).max() <= 1


def test_what_an_extension_brings_is_made_exact(holder, picture):
    own = Upscaler("own", whole=lambda image, emit: image.resize((image.width * 4, image.height * 4)))
    assert upscale(Request(picture, own, Target(3)), holder, quiet).size == (183, 141)


def test_a_network_is_read_once_and_counted_among_the_weights(upscalers, holder, picture):
    for _ in range(2):
        upscale(Request(picture, upscalers.find("4x-Ultra"), Target(2)), holder, quiet)
    assert holder.loads == 1 and [(m, c) for m, c, _, _ in holder.resident()] == [("4x-Ultra", "upscaler")]


class Runs:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("the payload ran",)


@pytest.mark.parametrize(("content", "why"), [
    (Runs(), "more than tensors"), ({"a": torch.zeros(3)}, "no known upscaler"), ([1, 2], "no tensors")],
    ids=["code", "another model", "a list"])
def test_a_pth_that_is_no_upscaler_is_one_line_and_runs_nothing(tmp_path, capsys, content, why):
    file = tmp_path / "bad.pth"
    torch.save(content, file)
    with pytest.raises(ModelFileError, match=why):
        read(file, "bad")
    assert "payload" not in capsys.readouterr().out


def test_a_pth_cut_off_is_one_line(models, tmp_path):
    file = tmp_path / "cut.pth"
    whole = (models / "ESRGAN" / "4x-Ultra.pth").read_bytes()
    file.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ModelFileError, match="damaged|more than tensors"):
        read(file, "cut")


@pytest.mark.parametrize("name", ["mini-x2", "mini-x4"])
def test_minis_own_network_beats_bicubic_on_its_world_in_tiles_too(root, name):
    from pipelines.loading.device import Budget, Device
    from pipelines.loading.library import Library
    from pipelines.loading.residency import Residency
    from pipelines.training.mini.upscaler import HELD_OUT, draw, sample, world
    from pipelines.upscalers import Upscalers

    holder, factor = Residency(Library([root / "models"]), Device.pick("cpu"), Budget(2**30, 2**30)), int(name[-1])
    large = draw(sample(HELD_OUT + 3, world(((512, 1.0),))))
    small = large.resize((512 // factor, 512 // factor), Image.Resampling.BICUBIC)
    rival = small.resize(large.size, Image.Resampling.BICUBIC)
    ours = upscale(Request(small, Upscalers(holder.library).find(name), Target(factor), Tiling(64, 16)), holder, quiet)
    errors = [np.square(np.asarray(p, float) - np.asarray(large, float)).mean() for p in (ours, rival)]
    print(name, "gain over bicubic:", 10 * np.log10(errors[1] / errors[0]), "dB")
    assert errors[0] < errors[1]


@pytest.mark.parametrize("name", ["Lanczos", "mini-x2", "general-x4"])
@pytest.mark.parametrize("target", [Target(1.7), Target(4), Target(width=90, height=90)], ids=["off the grid", "x4", "cropped"])
def test_sixteen_bits_are_the_same_picture_with_finer_steps(upscalers, holder, picture, name, target):
    request = Request(picture, upscalers.find(name), target, Tiling(32, 8))
    plain, deep = upscale(request, holder, quiet), enlarged(request._replace(deep=True), holder, quiet)
    assert isinstance(deep, Deep) and deep.size == plain.size and deep.levels == 16
    assert difference(plain, deep.shallow()) <= 4       # 8 bits round and clip after rows, columns and fades; 16 once
    assert np.abs(np.asarray(plain, float) - np.asarray(deep.shallow(), float)).mean() < 0.5


def test_sixteen_bits_keep_alpha_and_may_be_blended(upscalers, holder, picture):
    picture.putalpha(100)
    request = Request(picture, upscalers.find("mini-x2"), Target(2), deep=True)
    mixed = blend(request, upscalers.find("Bicubic"), 0.5, holder, quiet)
    assert isinstance(mixed, Deep) and mixed.mode == "RGBA" and set(np.unique(mixed.pixels[..., 3])) == {100 * 257}
    parts = [enlarged(request._replace(upscaler=upscalers.find(n)), holder, quiet).pixels.astype(int)
             for n in ("mini-x2", "Bicubic")]
    assert np.abs(mixed.pixels - (parts[0] + parts[1]) / 2).max() <= 1
