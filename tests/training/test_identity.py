"""The identity adapter's maker: photos keep the person and change the rest; a tiny run writes a file that the studio loads."""

from dataclasses import replace
from random import Random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pipelines.patches.photomaker.state import adapter
from pipelines.training.mini import identity, text
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.world.scene import FIRST, Curriculum, sample
from tests.training.chunks import chunk

PERSON = sample(3, Curriculum(people=1.0, nothing=0.0)).people[0]


def count(monkeypatch, name):
    """A list that grows by one with every call of the maker's function."""
    calls, real = [], getattr(identity, name)
    monkeypatch.setattr(identity, name, lambda *given: calls.append(name) or real(*given))
    return calls


def test_photos_show_the_same_person_elsewhere():
    album = [identity.photo(PERSON, seed) for seed in range(8)]
    assert all(getattr(s.people[0], name) == getattr(PERSON, name) for s in album for name in identity.WHO)
    assert len({s.place for s in album}) > 2 and len({s.people[0].top_colour for s in album}) > 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hair": "bob", "hair_colour": "pink", "skin": "fair"}, "a girl with bob pink hair"),
        ({"hair": "bald", "skin": "dark"}, "a girl with a bald head and dark skin"),
        ({"kind": "baby", "hair": "bald", "skin": "fair"}, "a baby"),
        ({"hair": "long", "hair_colour": "red", "skin": "tan", "hat": "blue", "glasses": True},
         "a girl with long red hair and glasses and a blue hat and tan skin"),
    ],
    ids=["hair", "bald", "usual", "much"],
)  # fmt: skip
def test_a_description_says_who_it_is_and_not_what_they_wear(change, said):
    plain = replace(PERSON, kind="girl", glasses=False, beard=False, hat=None)
    assert identity.described(replace(plain, **change)) == said


def test_the_class_word_stands_once_for_each_photo(tmp_path):
    words = text.teach_vocabulary(tmp_path, pictures=200)
    heads, rests = ["a man", "a photo of a man"], [", in a park", ""]
    many, mask = identity.repeated(words, heads, rests, 3)
    plain = words("a man, in a park").input_ids
    place = len(words("a man").input_ids) - 2
    assert many.shape == mask.shape == (2, 77) and mask.sum(1).tolist() == [3, 3]
    assert many[0][mask[0]].tolist() == [plain[place]] * 3 and mask[0, place]
    assert many[0, : len(plain) + 2].tolist() == [*plain[:place], *[plain[place]] * 3, *plain[place + 1 :]]
    assert torch.equal(identity.repeated(words, heads[:1], rests[:1], 1)[0], text.encode(words, ["a man, in a park"]))


def test_the_head_counts_most_and_every_picture_alike():
    scene = replace(sample(3), people=(replace(PERSON, x=0.25, crown=0.1, head=0.25),))
    found = identity.attention_to_heads([scene], (16, 16))[0, 0]
    assert found.mean() == pytest.approx(1) and found[4, 4] == found.max() and found[4, 14] == found[14, 4] == found.min()


def test_a_tiny_run_writes_a_file_in_photomakers_layout(tmp_path, monkeypatch):
    text.teach_vocabulary(tmp_path / "tokenizer", pictures=200)
    shown = [k for k in range(80) if sample(k, FIRST).people and sample(k, FIRST).framing != "full figure"]
    seeds = torch.tensor(shown[:3])
    group = chunk(seeds)
    keep(tmp_path / "latents" / "0000.pt", {"groups": [group]})
    for part, lesson in ((1.1, "by_words"), (0.0, "by_unet")):  # the second run goes on where the first one ended
        monkeypatch.setattr(identity, "FIRST_PART", part)
        calls = count(monkeypatch, lesson)
        spent = (recall(tmp_path / "identity.pt") or {"spent": 0})["spent"]
        identity.train(Plan(tmp_path, spent / 60 + 0.02, batch=2))
        assert calls and recall(tmp_path / "identity.pt")["step"] >= len(calls)
    path = identity.write(Plan(tmp_path, 1), tmp_path / "out")
    with safe_open(path, "pt") as file:
        made = adapter(load_file(path), file.metadata(), dtype=torch.float32)
    ids = made.encoder.identity(identity.pixels(identity.album(PERSON, Random(0), 2))[None])
    assert ids.shape == (1, 2, 1, 192) and made.encoder.config.vision.layers == 4
