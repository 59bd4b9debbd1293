"""The identity adapter's maker: photos keep the person and change the rest; a tiny run writes a file that the studio loads."""

from random import Random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pipelines.patches.photomaker.state import adapter
from pipelines.training.mini import identity, text
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.vae import CHANNELS
from pipelines.training.mini.world.scene import FIRST, Curriculum, sample

PERSON = sample(3, Curriculum(people=1.0, nothing=0.0)).people[0]


def test_photos_show_the_same_person_elsewhere():
    album = [identity.photo(PERSON, seed) for seed in range(8)]
    assert all(getattr(s.people[0], name) == getattr(PERSON, name) for s in album for name in identity.WHO)
    assert len({s.place for s in album}) > 2 and len({s.people[0].top_colour for s in album}) > 2


def test_the_class_word_stands_once_for_each_photo():
    ids = torch.arange(77)[None]
    many, mask = identity.repeated(ids, 3)
    assert many.shape == (1, 77) and many[0, :7].tolist() == [0, 1, 2, 2, 2, 3, 4]
    assert mask[0].nonzero().flatten().tolist() == [2, 3, 4]
    assert torch.equal(identity.repeated(ids, 1)[0], ids)


@pytest.mark.parametrize(("table", "share"), [(torch.eye(4), 1.0), (1 - torch.eye(4), 0.0)], ids=["alike", "unlike"])
def test_auc_counts_pairs(table, share):
    assert identity.auc(table) == share


def test_a_tiny_run_writes_a_file_in_photomakers_layout(tmp_path):
    text.teach_vocabulary(tmp_path / "tokenizer", pictures=200)
    seeds = torch.tensor([k for k in range(40) if sample(k, FIRST).people][:3])
    keep(tmp_path / "latents" / "0000.pt", {"groups": [{"seeds": seeds, "latents": torch.randn(3, CHANNELS, 16, 16).half()}]})
    identity.train(Plan(tmp_path, 0.02, batch=2))
    assert recall(tmp_path / "identity.pt")["step"] >= 1
    path = identity.write(Plan(tmp_path, 1), tmp_path / "out")
    with safe_open(path, "pt") as file:
        made = adapter(load_file(path), file.metadata(), dtype=torch.float32)
    ids = made.encoder.identity(identity.photos(PERSON, Random(0), 2)[None])
    assert ids.shape == (1, 2, 1, 192) and made.encoder.config.vision.layers == 4
