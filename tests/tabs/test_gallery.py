"""The gallery's handlers over a real archive: what the grid, the panel and the comparison show."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines.archive import Archive
from pipelines.archive import zipped as several_zipped
from pipelines.archive.inputs import Inputs
from pipelines.archive.lineage import Lineage
from pipelines.families.mini import MINI
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.words import Words
from tabs import compare
from tabs.finder import Shelf, find
from tabs.form import toasting
from tabs.gallery import PER_PAGE, Gallery, caption
from tabs.page import Page
from tabs.picture import Panel, said
from tabs.source import keep

NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def studio(tmp_path: Path) -> Any:
    archive, inputs = Archive(tmp_path), Inputs(tmp_path)
    return SimpleNamespace(archive=archive, words=Words("en"), inputs=inputs, lineage=Lineage(archive, inputs),
                           settings=SimpleNamespace(uploads_dir=tmp_path / ".uploads"),
                           model=lambda name: SimpleNamespace(family=MINI))


@pytest.fixture
def gallery(studio: Any) -> Gallery:
    """A gallery that is placed on a page of its own."""
    with gr.Blocks() as blocks:
        prompt = gr.Textbox()
        form = SimpleNamespace(outputs=[prompt], pictures=None, write=lambda changes: [changes.get("prompt")],
                               write_all=lambda request: [request.prompt],
                               start_from=lambda picture, settings: [(picture, settings)])
        forms = dict.fromkeys(("txt2img", "img2img", "inpaint"), form)
        page = Page(blocks, gr.Tabs(), gr.BrowserState(""), "", forms)
        made = Gallery(studio, page, find(studio), Panel(studio), compare.build(studio))
        made.wire(gr.State(Shelf()))
    return made


def paint(studio: Any, count: int = 1, **changes: Any) -> list[str]:
    image = Image.new("RGB", (64, 96), "red")
    return [studio.archive.save(image, GenerationRequest(seed=n, **changes), {"seconds": 1.5}).file for n in range(count)]


def shelf_of(updates: list[Any]) -> Shelf:
    return next(update for update in updates if isinstance(update, Shelf))


def choose(gallery: Gallery, shelf: Shelf, index: int, held: str = "") -> tuple[Shelf, list[Any]]:
    """The shelf and the panel after a click on a picture of the grid."""
    shelf, *updates = gallery._choose(shelf, held, SimpleNamespace(index=index))
    return shelf, updates[len(gallery._finder.several.outputs):]


def test_an_empty_archive_says_so_in_every_view(gallery: Gallery) -> None:
    for view, text in (("all_pictures", "No pictures here yet"), ("trash", "trash is empty")):
        assert text in gallery.look("", Shelf(view=view))[1]
    assert "No picture matches" in gallery.look("zebra", Shelf())[1]


def test_pages_follow_one_another_and_stop_at_both_ends(gallery: Gallery, studio: Any) -> None:
    paint(studio, PER_PAGE + 2, prompt="a cat")
    *seen, first = gallery._turn(-1, "", "all_pictures", Shelf())
    assert len(first.files) == PER_PAGE and first.page == 0 and "1 of 2" in seen[1]
    *_, last = gallery._turn(9, "", "all_pictures", first)
    assert len(last.files) == 2 and last.page == 1 and not set(first.files) & set(last.files)


def test_a_search_finds_words_of_the_prompt_from_the_first_page_on(gallery: Gallery, studio: Any) -> None:
    [cat], [dog] = paint(studio, prompt="a cat"), paint(studio, prompt="a dog")
    *_, shelf = gallery.look("dog", Shelf(page=7))
    assert shelf.files == (dog,) and shelf.page == 0 and cat not in shelf.files


def test_the_grid_shows_thumbnails_and_the_panel_the_file_itself(gallery: Gallery, studio: Any) -> None:
    [file] = paint(studio, prompt="a cat")
    grid, *_, shelf = gallery.look("", Shelf())
    assert ".thumbs" in str(grid["value"])
    shelf, panel = choose(gallery, shelf, 0)
    assert shelf.chosen == file and panel[2] == str(studio.archive.open(file))
    assert panel[4]["value"].endswith(".png") and "Steps: 25" in panel[-1]


def test_a_picture_thrown_away_is_undone_under_its_own_name(gallery: Gallery, studio: Any) -> None:
    [file] = paint(studio, prompt="a cat")
    shelf = shelf_of(gallery._throw("", "all_pictures", Shelf(chosen=file)))
    assert shelf.files == () and shelf.thrown and not shelf.chosen
    shelf = shelf_of(gallery._undo("", "all_pictures", shelf))
    assert shelf.files == (file,) and not shelf.thrown


def test_culling_goes_on_with_the_picture_that_came_to_the_place_of_the_one_thrown_away(gallery: Gallery, studio: Any) -> None:
    paint(studio, 3, prompt="a cat")
    *_, shelf = gallery.look("", Shelf())
    first, middle, last = shelf.files
    grid, *_ = seen = gallery._throw("", "all_pictures", replace(shelf, chosen=middle))
    assert (shelf := shelf_of(seen)).chosen == last and grid["selected_index"] == 1
    grid, *_ = seen = gallery._throw("", "all_pictures", shelf)
    assert (shelf := shelf_of(seen)).chosen == first and grid["selected_index"] == 0
    assert seen[-len(gallery._panel.outputs) + 1].visible
    for back, place in ((last, 1), (middle, 1)):
        grid, *_ = seen = gallery._undo("", "all_pictures", shelf)
        assert (shelf := shelf_of(seen)).chosen == back and grid["selected_index"] == place
    assert shelf.files == (first, middle, last) and not shelf.thrown


@pytest.mark.parametrize(("clicks", "names"), [
    ([(0, ""), (2, "more"), (4, "more")], {0, 2, 4}), ([(1, ""), (3, "range")], {1, 2, 3}),
    ([(3, ""), (1, "range"), (2, "more")], {1, 3}), ([(0, "more"), (0, "more")], set()),
    ([(0, "more"), (2, "more"), (1, "")], set()),
], ids=["with Ctrl", "with Shift", "backwards, less one", "there and back", "a plain click lets go"])
def test_pictures_are_picked_as_in_a_file_manager(gallery: Gallery, studio: Any, clicks: list, names: set[int]) -> None:
    paint(studio, 5)
    shelf = gallery.look("", Shelf())[-1]
    for index, held in clicks:
        shelf, _ = choose(gallery, shelf, index, held)
    assert set(shelf.picked) == {shelf.files[index] for index in names} and shelf.chosen == shelf.files[clicks[-1][0]]


def test_with_select_on_plain_clicks_pick_and_a_new_search_forgets_them(gallery: Gallery, studio: Any) -> None:
    paint(studio, 3, prompt="a cat")
    shelf, *bar = gallery._switch(gallery.look("", Shelf())[-1])
    assert shelf.picking and bar[1].visible and "0 chosen" in bar[2] and not bar[4].interactive
    shelf, _ = choose(gallery, choose(gallery, shelf, 0)[0], 2)
    shelf, *bar = gallery._pick_page(shelf)
    assert len(shelf.picked) == 3 and "3 chosen" in bar[2] and bar[2].count(":nth-child") == 6 and bar[6].interactive
    assert shelf_of(gallery._search("cat", "all_pictures", shelf)).picked == ()
    assert not gallery._pick_none(shelf)[0].picking


def test_all_that_are_picked_are_starred_thrown_away_and_brought_back_together(gallery: Gallery, studio: Any) -> None:
    paint(studio, 4, prompt="a cat")
    shelf = replace(gallery.look("", Shelf())[-1])
    shelf = replace(shelf, picked=shelf.files[1:3], chosen=shelf.files[1])
    gallery._star_all("", "all_pictures", shelf)
    assert studio.archive.favourites.all() == set(shelf.picked)
    gallery._star_all("", "all_pictures", shelf)
    assert not studio.archive.favourites.all()
    thrown = shelf_of(gallery._move_all("", "all_pictures", shelf))
    assert thrown.files == (shelf.files[0], shelf.files[3]) and thrown.chosen == shelf.files[3] and not thrown.picked
    assert shelf_of(gallery._undo("", "all_pictures", thrown)).files == shelf.files
    gallery._move_all("", "all_pictures", shelf)
    trash = shelf_of(gallery.look("", Shelf(view="trash")))
    assert shelf_of(gallery._move_all("", "trash", replace(trash, picked=trash.files))).files == ()
    assert studio.archive.count() == 4


def test_one_of_several_that_is_gone_keeps_the_others_where_they_are(gallery: Gallery, studio: Any) -> None:
    files = tuple(paint(studio, 3))
    studio.archive.open(files[2]).unlink()
    with pytest.raises(gr.Error, match="no such picture"):
        toasting(gallery._move_all)("", "all_pictures", Shelf(picked=files))
    assert studio.archive.open(files[0]).is_file()


def test_the_order_is_turned_round(gallery: Gallery, studio: Any) -> None:
    files = paint(studio, PER_PAGE + 2)
    seen = gallery._search("", "all_pictures", Shelf(), "oldest_first")
    assert shelf_of(seen).files == tuple(files[:PER_PAGE]) and "Older" in seen[2].value and "Newer" in seen[3].value


def test_a_zip_holds_the_files_as_they_are_under_their_names(gallery: Gallery, studio: Any, monkeypatch: Any) -> None:
    files = paint(studio, 3)
    with zipfile.ZipFile(gallery._finder.several.zipped(files[:2])) as made:
        assert made.namelist() == files[:2] and made.read(files[1]) == studio.archive.open(files[1]).read_bytes()
    monkeypatch.setattr(several_zipped, "MOST_BYTES", 10)
    with pytest.raises(FieldError, match="too large for one file"):
        gallery._finder.several.zipped(files)


def test_several_are_compared_as_many_as_there_is_room_for() -> None:
    assert compare.of_files(tuple("abcdefgh")).files == tuple("abcdef") and compare.of_files(("a",)) == compare.Pair("a")
    assert compare.of_files(()) == compare.Pair()


def test_the_trash_is_shown_restored_from_and_emptied(gallery: Gallery, studio: Any) -> None:
    for file in paint(studio, 3, prompt="a cat"):
        studio.archive.trash(file)
    *_, shelf = gallery.look("", Shelf(view="trash"))
    assert len(shelf.files) == 3
    shelf, panel = choose(gallery, shelf, 1)
    assert panel[7].visible and not panel[6].visible
    shelf = shelf_of(gallery._restore("", "trash", shelf))
    assert len(shelf.files) == 2
    assert shelf_of(gallery._empty("", "trash", shelf)).files == () and studio.archive.count() == 1


def test_a_favourite_is_starred_and_found_among_its_kind(gallery: Gallery, studio: Any) -> None:
    file, other = paint(studio, 2, prompt="a cat")
    gallery._favourite("", "all_pictures", Shelf(chosen=file))
    *_, shelf = gallery.look("", Shelf(view="favourites"))
    assert shelf.files == (file,) and caption(studio.archive.get(file)) == "★ a cat" and other not in shelf.files


def test_settings_are_sent_whole_or_as_far_as_they_are_known(gallery: Gallery, studio: Any, tmp_path: Path) -> None:
    [file] = paint(studio, prompt="a cat")
    tabs, *updates = gallery._send(Shelf(chosen=file))
    assert tabs.selected == "txt2img" and updates == ["a cat", gr.skip(), gr.skip()]
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    assert all(not isinstance(update, str) for update in gallery._send(Shelf(chosen="plain.png")))


def test_a_picture_made_from_a_picture_goes_back_to_the_tab_that_made_it(gallery: Gallery, studio: Any) -> None:
    [file] = paint(studio, prompt="a cat", init={"image": "0" * 64})
    assert gallery._send(Shelf(chosen=file))[0].selected == "img2img"


@pytest.mark.parametrize("name", ["img2img", "inpaint"])
def test_a_picture_is_sent_with_its_settings_and_the_size_that_it_has(gallery: Gallery, studio: Any, name: str) -> None:
    [file] = paint(studio, prompt="a cat", width=512, height=512, steps=9)
    tabs, *updates = gallery._start(Shelf(chosen=file), name)
    [(kept, settings)] = [update for update in updates if update != gr.skip()]
    assert tabs.selected == name and studio.inputs.open(kept).size == (64, 96)
    assert (settings.steps, settings.width, settings.height) == (9, 256, 384)


def test_one_walks_from_a_picture_to_what_was_made_of_it_and_back(gallery: Gallery, studio: Any) -> None:
    [first] = paint(studio, prompt=NASTY)
    kept = keep(studio, studio.archive.open(first))
    [second] = paint(studio, prompt="a cat", init={"image": kept})
    tree = gallery._panel.shown(first, False)[-3]
    assert f'data-file="{first}" aria-current' in tree and f'data-file="{second}">' in tree
    shelf, *panel = gallery._walk(Shelf(chosen=first), SimpleNamespace(file=second))
    assert shelf.chosen == second and f'data-file="{second}" aria-current' in panel[-3]
    with pytest.raises(gr.Error):
        gallery._walk(Shelf(), SimpleNamespace(file="../secret.png"))


def test_a_file_that_is_gone_is_told_and_breaks_nothing(gallery: Gallery, studio: Any) -> None:
    [file] = paint(studio)
    *_, shelf = gallery.look("", Shelf())
    studio.archive.open(file).unlink()
    with pytest.raises(gr.Error):
        choose(gallery, shelf, 0)


def test_two_pictures_are_compared_field_by_field(gallery: Gallery, studio: Any) -> None:
    [first], [second] = paint(studio, steps=20), paint(studio, steps=30, prompt=NASTY)
    _, _, slider, table, side, far = gallery._comparison.shown(compare.Pair(first, second))
    assert slider["visible"] and not side["visible"] and not far["visible"]
    assert '<span class="change">Steps 20 → 30</span>' in table and "<th>Steps</th><td>20</td><td>30</td>" in table
    assert "same settings" in gallery._comparison.shown(compare.Pair(first, first))[3]
    assert "Choose a first" in gallery._comparison.shown(compare.Pair(first, ""))[3]


def test_several_pictures_stand_side_by_side(gallery: Gallery, studio: Any) -> None:
    files = [paint(studio, steps=steps)[0] for steps in range(20, 28)]
    pair = compare.Pair(files[0])
    for file in (*files[1:], files[-2]):
        pair = pair.beside(file)
    assert pair.files == (files[0], *files[3:6], files[7], files[6]), "six at most, none twice, the newest last"
    _, _, slider, table, side, _ = gallery._comparison.shown(pair, compare.SIDE)
    assert side["visible"] and not slider["visible"] and [name for _, name in side["value"]] == list(pair.files)
    assert "<th>Steps</th><td>20</td><td>23</td><td>24</td><td>25</td><td>27</td><td>26</td>" in table


def test_the_difference_of_two_pictures_is_a_picture_and_a_number(gallery: Gallery, studio: Any) -> None:
    grey, lighter, small = (studio.archive.save(Image.new("RGB", size, (level, 100, 100)), GenerationRequest(seed=level)).file
                            for size, level in (((32, 32), 100), ((32, 32), 110), ((16, 16), 100)))
    *_, slider, told, _, far = gallery._comparison.shown(compare.Pair(grey, lighter), compare.DIFFERENCE)
    assert far["visible"] and far["value"].getpixel((3, 3)) == (40, 0, 0) and "PSNR 32.90 dB" in told and not slider["visible"]
    for other, words in ((grey, "every pixel is the same"), (small, "different sizes")):
        *_, told, _, far = gallery._comparison.shown(compare.Pair(grey, other), compare.DIFFERENCE)
        assert words in told and not far["visible"]


def test_html_in_a_picture_stays_text_everywhere(gallery: Gallery, studio: Any) -> None:
    [plain], [nasty] = paint(studio), paint(studio, prompt=NASTY, negative_prompt=NASTY)
    panel = gallery._panel.shown(nasty, False)
    table = gallery._comparison.shown(compare.Pair(plain, nasty))[3]
    assert NASTY not in panel[-2] + table and "&lt;img" in panel[-2] and "&lt;img" in table


@pytest.mark.parametrize(("value", "text"), [(7.0, "7"), (0.05, "0.05"), (True, "✓"), (None, "–"), (("a", "b"), "a, b"),
                                             ("x" * 700, "x" * 599 + "…")], ids=str)
def test_values_are_read_as_people_write_them(value: Any, text: str) -> None:
    assert said(value) == text
