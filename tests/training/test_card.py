"""The model card's tables: every score finds its column, and every part of a family its line."""

import json

from pipelines.training.mini import card
from pipelines.training.mini.run import Plan


def test_a_table_leaves_empty_what_a_row_lacks():
    made = card.table({"a": {"x": 0.5, "y": 1.0}, "b": {"y": 0.25}}, "{:.0%}").splitlines()
    assert made[0] == "| | x | y |" and made[2] == "| a | 50% | 100% |" and made[3] == "| b |  | 25% |"


def test_scores_are_told_apart_by_their_prompts(tmp_path):
    found = {"plain: CFG 7": {"place": 0.9}, "rich: CFG 7": {"pose": 0.4}, "others": {"diversity": 0.7}}
    (tmp_path / "score.json").write_text(json.dumps(found))
    made = card.scores(Plan(tmp_path, 1))
    assert made.index("Plain prompts") < made.index("90%") < made.index("Rich prompts") < made.index("40%")
    assert made.endswith("diversity 70%") and card.scores(Plan(tmp_path / "empty", 1)) == "Not measured."


def test_every_part_beside_the_pipeline_has_its_line(tmp_path):
    for name in ("vae", "unet", "controlnet/canny", "upscaler"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "w.safetensors").write_bytes(bytes(2_000_000))
    made = card.parts(tmp_path).splitlines()
    assert [line.split("`")[1] for line in made] == ["controlnet/canny", "upscaler"] and made[0].endswith("2.0 MB |")
    assert card.megabytes(tmp_path) == 8


def test_a_stage_tells_what_earlier_runs_gave_and_what_this_one_adds(tmp_path):
    plan = Plan(tmp_path, 1)
    assert card.span(plan, "clip") == "1,915 steps in 38 minutes" and card.result(plan, "clip").startswith("subject")
    rows = [{"step": 40, "minutes": 3.2, "loss": 0.5}, {"step": 40, "subject": 0.9}]
    (tmp_path / "clip.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert card.span(plan, "clip").endswith(", then 40 steps in 3 minutes") and card.result(plan, "clip") == "subject 0.9"
    assert card.span(plan, "aesthetic") == "fitted at once"
