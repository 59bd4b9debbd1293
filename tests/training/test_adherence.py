"""What the committed family paints is what it was told: a small part of the card's score table, with a margin."""

from random import Random

import pytest

from pipelines.training.mini import probe, score, sheet
from pipelines.training.mini.pictures import HELD_OUT
from pipelines.training.mini.probe import READ, rights, targets
from pipelines.training.mini.world.scene import sample

COUNT = 24


@pytest.fixture(scope="module")
def found(root):
    """Shares read rightly from pictures of held-out prompts, 12 steps, CFG 7."""
    scenes, rng = [sample(HELD_OUT + k, score.WORLD) for k in range(COUNT)], Random(1)
    painted = sheet.paint(sheet.load(root / "models" / "mini"), [score.prompt(s, rng) for s in scenes], steps=12)
    return rights(probe.read(probe.opened(root / "models" / "mini" / "probe"), painted), targets(scenes))


@pytest.mark.parametrize(("name", "least"), [("place", 0.85), ("time", 0.9), ("subject", 0.75), ("colour", 0.8)])
def test_pictures_show_what_their_prompts_say(found, name, least):
    assert found[name] >= least


def test_the_committed_probe_reads_renders(root):
    read = probe.own(probe.opened(root / "models" / "mini" / "probe"), list(range(HELD_OUT + 300, HELD_OUT + 324)), score.WORLD)
    assert min(read[name] for name in READ[1:4]) >= 0.9
