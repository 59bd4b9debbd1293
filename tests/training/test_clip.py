"""Mini-clip's maker: the text tower stays frozen, a tiny run learns and writes a folder that the ranking room opens."""

import torch
from PIL import Image

from pipelines.ranking.clip import Clip
from pipelines.training.mini import clip, text
from pipelines.training.mini.run import Plan, recall


def test_a_tiny_run_writes_a_clip_and_leaves_the_text_tower_as_it_was(tmp_path, monkeypatch):
    text.teach_vocabulary(tmp_path / "tokenizer", pictures=200)
    monkeypatch.setattr(clip, "POOL", 4)
    monkeypatch.setattr(clip, "score", lambda made: {})
    torch.manual_seed(0)
    before = text.finished(Plan(tmp_path, 1)).state_dict()
    clip.train(Plan(tmp_path, 0.01, batch=3))
    state = recall(tmp_path / "clip.pt")
    assert state["step"] >= 1 and all(torch.equal(state["model"][f"text_model.{k}"], v) for k, v in before.items())
    made = Clip.open(clip.write(Plan(tmp_path, 1), tmp_path / "out"))
    pictures, texts = made.images([Image.new("RGB", (200, 300), "red")] * 2), made.texts(["a red car"])
    assert pictures.shape == (2, clip.WIDTH) and torch.allclose(pictures.norm(dim=1), torch.ones(2), atol=1e-3)
    assert torch.allclose(pictures[0], pictures[1]) and texts.shape == (1, clip.WIDTH)
