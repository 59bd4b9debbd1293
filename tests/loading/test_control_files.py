"""What lies in a folder for ControlNets: its kind and family by tensor names alone, and by name what cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipelines.families.control import ADAPTER, CONTROLNET, UNION, detect_control
from pipelines.families.signature import classify
from pipelines.loading.control_file import _pooling
from pipelines.loading.controls import controls, find_control, told
from pipelines.loading.library import Library
from pipelines.spec.errors import FieldError, ModelFileError

STEM = {"input_hint_block.0.weight": (16, 3, 3, 3), "zero_convs.0.0.weight": (320, 320, 1, 1)}
FIRST = {"input_blocks.0.0.weight": (320, 4, 3, 3)}
ATTENTION = "input_blocks.1.1.proj_in.weight"
NAMED = {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3), "controlnet_down_blocks.0.weight": (320, 320, 1, 1),
         "conv_in.weight": (320, 4, 3, 3)}


@pytest.mark.parametrize(("shapes", "family", "kind"), [
    (STEM | FIRST | {ATTENTION: (320, 320, 1, 1)}, "sd15", CONTROLNET),
    (STEM | FIRST | {ATTENTION: (320, 320)}, "sd2", CONTROLNET),
    (STEM | FIRST | {ATTENTION: (320, 320), "label_emb.0.0.weight": (1280, 2816)}, "sdxl", CONTROLNET),
    ({f"control_model.{k}": v for k, v in (STEM | FIRST).items()}, "sd15", CONTROLNET),
    (NAMED | {"add_embedding.linear_1.weight": (1280, 2816)}, "sdxl", CONTROLNET),
    (NAMED | {"conv_in.weight": (96, 16, 3, 3)}, "mini", CONTROLNET),
    (NAMED | {"add_embedding.linear_1.weight": (1280, 2816), "task_embedding": (6, 320)}, "sdxl", UNION),
    ({"conv_in.weight": (320, 192, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)}, "sd15", ADAPTER),
    ({"adapter.conv_in.weight": (320, 768, 3, 3), "adapter.body.0.resnets.0.block1.weight": (320, 320, 3, 3)}, "sdxl", ADAPTER),
    ({"body.0.in_conv.weight": (80, 64, 1, 1), "body.0.body.0.block1.weight": (80, 80, 3, 3)}, "sd15", ADAPTER),
], ids=["SD 1.x", "SD 2.x", "XL", "with prefix", "XL, diffusers", "mini", "union", "adapter", "XL adapter", "light adapter"])
def test_kind_and_family_are_told_by_structure(shapes: dict, family: str, kind: str) -> None:
    found = classify(shapes)
    assert (found.kind, found.family, found.variant, found.problem) == ("controlnet", family, kind, "")


@pytest.mark.parametrize(("shapes", "why"), [
    ({"lllite_unet_input_blocks_4_1_attn1_to_q.down.0.weight": (32, 320)}, "this is a ControlNet-LLLite"),
    ({"lora_controlnet": (1,), "zero_convs.0.0.weight": (320, 320, 1, 1)}, "this is a Control-LoRA"),
    ({"controlnet_blocks.0.weight": (3072, 3072)}, "this is a ControlNet of a family that this version cannot run"),
    ({"conv_in.weight": (320, 7, 3, 3), "body.0.block1.weight": (3, 3, 3, 3)}, "this is a T2I-Adapter of a family"),
], ids=["LLLite", "Control-LoRA", "another family", "an adapter of another kind"])
def test_what_cannot_run_is_named(shapes: dict, why: str) -> None:
    assert detect_control(shapes).problem.startswith(why) and classify(shapes).kind == "controlnet"


def write(path: Path, shapes: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: torch.zeros(shape) for key, shape in shapes.items()}, path)


def test_the_list_holds_folders_files_and_every_input_of_a_union(tmp_path: Path) -> None:
    write(tmp_path / "ControlNet" / "control_sd15_depth.safetensors", STEM | FIRST)
    write(tmp_path / "ControlNet" / "xl" / "pose" / "diffusion_pytorch_model.safetensors",
          NAMED | {"add_embedding.linear_1.weight": (4, 4)})
    write(tmp_path / "t2i_adapter" / "sketch.safetensors", {"conv_in.weight": (4, 192, 3, 3), "body.0.block1.weight": (4, 4, 3, 3)})
    write(tmp_path / "ControlNet" / "all.safetensors", NAMED | {"add_embedding.linear_1.weight": (4, 4), "task_embedding": (6, 4)})
    write(tmp_path / "ControlNet" / "lite.safetensors", {"lllite_unet.down.0.weight": (4, 4)})
    library = Library([tmp_path])
    listed = {c.name: (c.family, c.control) for c in controls(library)}
    assert listed["control_sd15_depth"] == ("sd15", "Depth") and listed["xl/pose"] == ("sdxl", "OpenPose")
    assert listed["sketch"] == ("sd15", "Scribble") and listed["all"] == ("sdxl", "") and listed["all:Canny"] == ("sdxl", "Canny")
    assert "lite" not in listed
    with pytest.raises(ModelFileError, match="ControlNet-LLLite, which this version cannot run"):
        find_control(library, "lite")


def test_a_union_takes_its_input_from_its_name_or_from_the_preprocessor(tmp_path: Path) -> None:
    write(tmp_path / "ControlNet" / "all.safetensors", NAMED | {"add_embedding.linear_1.weight": (4, 4), "task_embedding": (6, 4)})
    library = Library([tmp_path])
    assert find_control(library, "all:depth").task("") == 1 and find_control(library, "all").task("OpenPose") == 0
    digest = library.find_kind("", "controlnet", "all").short_hash()
    assert find_control(library, f"all:Canny [{digest[:8]}]").task("") == 3
    with pytest.raises(FieldError, match="all - a union must be told what the condition shows. Allowed: all:Open"):
        find_control(library, "all").task("")
    with pytest.raises(FieldError, match="not found"):
        find_control(library, "all:nothing")


def test_a_control_model_among_checkpoints_is_sent_home(tmp_path: Path) -> None:
    write(tmp_path / "Stable-diffusion" / "net.safetensors", STEM | FIRST)
    with pytest.raises(ModelFileError, match=r"this looks like a ControlNet. Move it to models/ControlNet"):
        Library([tmp_path]).find("net")


@pytest.mark.parametrize(("name", "control"), [
    ("control_v11f1p_sd15_depth", "Depth"), ("control_v11p_sd15_normalbae", "NormalMap"), ("mini/pose", "OpenPose"),
    ("t2iadapter_canny_sd15v2", "Canny"), ("control_v11p_sd15s2_lineart_anime", "Lineart"), ("ip2p", "")])
def test_the_control_type_is_read_from_the_name(name: str, control: str) -> None:
    assert told(name) == control


@pytest.mark.parametrize(("name", "side_car", "pools"), [
    ("control_v11e_sd15_shuffle", "", True), ("reference", "global_average_pooling: True", True),
    ("shuffle_mine", "global_average_pooling: False", False), ("control_v11p_sd15_canny", "control_key: hint", False)])
def test_shuffles_net_is_told_by_its_side_car_or_its_name(tmp_path: Path, name: str, side_car: str, pools: bool) -> None:
    write(tmp_path / "ControlNet" / f"{name}.safetensors", STEM | FIRST)
    if side_car:
        (tmp_path / "ControlNet" / f"{name}.yaml").write_text(f"model:\n  params:\n    {side_car}\n")
    assert _pooling(Library([tmp_path]).find_kind("", "controlnet", name)) == {"global_pool_conditions": pools}
