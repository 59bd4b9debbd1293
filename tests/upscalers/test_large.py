"""The largest result, 8192×8192, is saved, listed, given a thumbnail and opened again."""

from PIL import Image

from pipelines.archive import Archive
from pipelines.images import MAX_PIXELS
from pipelines.spec.request import GenerationRequest
from pipelines.upscalers.target import MAX_PIXELS as LARGEST


def test_whatever_can_be_made_can_be_opened():
    assert MAX_PIXELS >= LARGEST == 8192 * 8192


def test_what_a_browser_can_show_is_shown_itself(tmp_path):
    archive = Archive(tmp_path)
    item = archive.save(Image.new("RGB", (300, 200)), GenerationRequest(seed=1))
    assert archive.view(item.file) == archive.open(item.file) and not (tmp_path / ".views").exists()
    archive.trash(item.file)
    assert archive.empty_trash() == 1


def test_a_result_of_8192_is_saved_listed_and_viewed(tmp_path, recwarn):
    archive = Archive(tmp_path)
    item = archive.save(Image.new("RGB", (8192, 8192), (30, 90, 200)), GenerationRequest(seed=1))
    assert [(i.file, i.width, i.height) for i in archive.items()] == [(item.file, 8192, 8192)]
    assert archive.read(item.file).found
    archive.thumbnails.forget(item.file)
    small = archive.thumbnail(item.file)        # decodes the file with open_image
    with Image.open(small) as picture:
        assert picture.size == (384, 384)
    seen = archive.view(item.file)              # what a page shows: no browser decodes 67 megapixels
    with Image.open(seen) as picture:
        assert picture.size == (2560, 2560) and ".views" in seen.parts
    assert not [w for w in recwarn if issubclass(w.category, Image.DecompressionBombWarning)]
