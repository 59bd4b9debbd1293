"""A likeness by the engine: words alone first, then the photos, counted; afterwards the model paints as it did before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine, Finished
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.patches.photomaker.encoder import MINI, IdEncoder
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.identity import check
from tests.patches.test_ip_adapter import tensors

STEPS = 5


@pytest.fixture(scope="module")
def worn(engine: Engine, root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Inputs, Library]:
    """An engine beside a PhotoMaker of random weights at mini's widths, named so that mini's own is not taken."""
    home = tmp_path_factory.mktemp("identity")
    (home / "photomaker").mkdir()
    torch.manual_seed(0)
    state = {f"id_encoder.{k}": v for k, v in IdEncoder(MINI).state_dict().items() if not k.endswith("position_ids")}
    save_file(state, home / "photomaker" / "thin.safetensors", {"vision_heads": "6"})
    library, inputs = Library([root / "models", home], home), Inputs(home)
    return Engine(Residency(library, engine.residency.device), inputs=inputs), inputs, library


@pytest.fixture(scope="module")
def request_of(worn: tuple[Engine, Inputs, Library]) -> Callable[..., GenerationRequest]:
    photo = worn[1].keep(Image.effect_noise((140, 180), 60).convert("RGB"))

    def make(prompt: str = "a man img, in a park", **identity: Any) -> GenerationRequest:
        return GenerationRequest.parse({"prompt": prompt, "steps": STEPS, "seed": 3, "sampler": "Euler",
                                        "identity": {"photos": [photo], "adapter": "thin", **identity}})
    return make


def painted(worn: tuple[Engine, Inputs, Library], request: GenerationRequest) -> Finished:
    return next(iter(worn[0].run(request, lambda event: None)))


def test_the_first_steps_see_the_words_alone_and_nothing_is_left_behind(worn: Any, request_of: Any) -> None:
    plain = request_of().merged({"identity": None, "prompt": "a man, in a park"})
    before = painted(worn, plain)
    unet = worn[0].residency.pipeline("txt2img", "mini").unet
    seen: list[torch.Tensor] = []
    hook = unet.register_forward_pre_hook(lambda m, a, k: seen.append(k["encoder_hidden_states"][1].clone()), with_kwargs=True)
    made = painted(worn, request_of(style_strength=40))
    hook.remove()
    assert [torch.equal(s, seen[0]) for s in seen] == [True] * 3 + [False] * (STEPS - 3)
    assert made.extra["Identity"] == "PhotoMaker thin, 1 photos" and made.request.identity is not None
    assert not np.array_equal(np.asarray(made.image), np.asarray(before.image))
    assert np.array_equal(np.asarray(painted(worn, plain).image), np.asarray(before.image)), "a trace is left"


def test_a_pose_and_a_likeness_steer_the_same_steps(worn: Any, request_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pose = worn[1].keep(Image.effect_noise((128, 128), 60).convert("RGB"))
    posed = request_of(style_strength=40).merged({"control": [{"image": pose, "model": "mini/pose", "preprocessor": "none"}]})
    unet = worn[0].residency.pipeline("txt2img", "mini").unet
    seen: list[tuple[torch.Tensor, bool]] = []
    inner = unet.forward

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.append((kwargs["encoder_hidden_states"][1].clone(), kwargs.get("mid_block_additional_residual") is not None))
        return inner(*args, **kwargs)

    monkeypatch.setattr(unet, "forward", spy)
    made = painted(worn, posed)
    monkeypatch.undo()
    assert [on for _, on in seen] == [True] * STEPS
    assert [torch.equal(words, seen[0][0]) for words, _ in seen] == [True] * 3 + [False] * (STEPS - 3)
    assert not np.array_equal(np.asarray(made.image), np.asarray(painted(worn, posed.merged({"control": []})).image))


def test_an_ip_adapter_is_the_second_way_and_leaves_no_trace(engine: Engine, root: Path, request_of: Any, tmp_path: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    (tmp_path / "ipadapter").mkdir()
    (tmp_path / "clip_vision").mkdir()
    tower = CLIPVisionModelWithProjection(CLIPVisionConfig(hidden_size=32, intermediate_size=32, num_hidden_layers=1,
                                                           num_attention_heads=1, patch_size=16, image_size=32, projection_dim=24))
    state = {k: v for k, v in tower.state_dict().items() if "position_ids" not in k}
    save_file(state, tmp_path / "clip_vision" / "thin.safetensors")
    unet = engine.residency.pipeline("txt2img", "mini").unet
    save_file(tensors(unet), tmp_path / "ipadapter" / "ip-adapter_thin.safetensors")
    library, inputs = Library([root / "models", tmp_path], tmp_path), Inputs(tmp_path)
    photo = inputs.keep(Image.effect_noise((64, 64), 60).convert("RGB"))
    wished = request_of("a man, in a park", photos=[photo], adapter="ip-adapter_thin").merged({"steps": 2})
    check(wished, library, inputs)
    own = (Engine(Residency(library, engine.residency.device), inputs=inputs), inputs, library)
    before = painted(own, wished.merged({"identity": None}))
    made = painted(own, wished)
    assert made.extra["Identity"] == "IP-Adapter ip-adapter_thin, 1 photos"
    assert not np.array_equal(np.asarray(made.image), np.asarray(before.image))
    assert np.array_equal(np.asarray(painted(own, wished.merged({"identity": None})).image), np.asarray(before.image))


def test_a_strength_of_nothing_is_off(worn: Any, request_of: Any) -> None:
    off, plain = request_of("a man, in a park", strength=0), request_of("a man, in a park").merged({"identity": None})
    assert np.array_equal(np.asarray(painted(worn, off).image), np.asarray(painted(worn, plain).image))


@pytest.mark.parametrize(("changes", "message"), [
    ({"prompt": "a man, in a park"}, "Try “a man img, in a park”"),
    ({"identity": {"photos": []}}, "Add a photo"),
    ({"identity": {"photos": ["0" * 64]}}, "no longer kept"),
    ({"identity": {"adapter": "thick"}}, "Did you mean|Allowed"),
    ({"identity": {"vectors": ["AAAA"]}}, "512 numbers")], ids=["trigger", "photos", "gone", "adapter", "vectors"])
def test_what_cannot_be_is_refused_before_the_run(worn: Any, request_of: Any, changes: dict, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        check(request_of().merged(changes), worn[2], worn[1])


def test_without_an_adapter_it_is_said_which_file_goes_where(root: Path, worn: Any, request_of: Any, tmp_path: Path) -> None:
    (tmp_path / "mini").mkdir()
    for part in (root / "models" / "mini").iterdir():
        if part.name != "identity":
            (tmp_path / "mini" / part.name).symlink_to(part)
    with pytest.raises(FieldError, match="models/mini/identity"):
        check(request_of(adapter="Automatic"), Library([tmp_path], tmp_path), worn[1])
