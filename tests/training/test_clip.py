"""Mini-clip's maker: the text tower stays frozen, a tiny run learns and writes a folder that the ranking room opens."""

import torch
from PIL import Image

from pipelines.ranking.clip import Clip
from pipelines.training.mini import clip, text
from pipelines.training.mini.run import Plan, recall
from pipelines.training.mini.world.scene import sample


def test_a_tiny_run_writes_a_clip_and_leaves_the_text_tower_as_it_was(tmp_path, monkeypatch):
    text.teach_vocabulary(tmp_path / "tokenizer", pictures=200)
    monkeypatch.setattr(clip, "POOL", 4)
    monkeypatch.setattr(clip, "score", lambda made: {})
    torch.manual_seed(0)
    before = text.finished(Plan(tmp_path, 1)).state_dict()
    clip.train(Plan(tmp_path, 0.02, batch=3))
    state = recall(tmp_path / "clip.pt")
    assert state["step"] >= 1 and all(torch.equal(state["model"][f"text_model.{k}"], v) for k, v in before.items())
    made = Clip.open(clip.write(Plan(tmp_path, 1), tmp_path / "out"))
    pictures, texts = made.images([Image.new("RGB", (200, 300), "red")] * 2), made.texts(["a red car"])
    assert pictures.shape == (2, clip.WIDTH) and torch.allclose(pictures.norm(dim=1), torch.ones(2), atol=1e-3)
    assert torch.allclose(pictures[0], pictures[1]) and texts.shape == (1, clip.WIDTH)


def test_the_phrases_are_judged_where_a_picture_shows_what_they_say(tmp_path):
    plan = Plan(tmp_path, 1)
    words = text.teach_vocabulary(tmp_path / "tokenizer", pictures=200)
    model = clip.build(plan)
    said = clip.spoken(model, words)
    assert {name: len(states) for name, states in said.items()} == {name: len(known) for name, known in clip.PHRASES.items()}
    car = next(s for s in map(sample, range(99)) if s.things and s.things[0].kind == "car")
    right = torch.nn.functional.normalize(model.text_projection(said["subject"])[list(clip.PHRASES["subject"]).index("car")], dim=0)
    only = {"subject": said["subject"], "hair": said["hair"]}  # a car has no hair: only the subject is asked
    assert clip.chosen(model, only, right[None], [car]) < clip.chosen(model, only, -right[None], [car])
