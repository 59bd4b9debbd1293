"""A thin Segment Anything of the true architecture: its mask is transformers' own, of the picture's size, at the click."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.loading.compat import torch
from pipelines.spec.errors import ModelFileError
from pipelines.tasks.objects import Objects

SIDE = 64


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    from transformers import SamConfig, SamImageProcessor, SamModel

    torch.manual_seed(3)
    config = SamConfig(
        vision_config={"hidden_size": 32, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 48,
                       "image_size": SIDE, "patch_size": 8, "window_size": 4, "global_attn_indexes": [1], "num_pos_feats": 16,
                       "initializer_range": 0.3},
        prompt_encoder_config={"hidden_size": 32, "image_size": SIDE, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 48, "num_attention_heads": 2, "iou_head_hidden_dim": 16})
    root = tmp_path_factory.mktemp("models")
    SamModel(config).save_pretrained(root / "annotators" / "sam-vit-base")
    SamImageProcessor(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE}).save_pretrained(
        root / "annotators" / "sam-vit-base")
    return [root]


@pytest.fixture
def picture() -> Image.Image:
    """96×48: neither a square nor the network's size."""
    made = Image.effect_noise((96, 48), 60).convert("RGB")
    made.paste((220, 40, 40), (60, 10, 90, 40))
    return made


def test_the_mask_is_that_of_transformers_own_processor_at_the_click(roots: list[Path], picture: Image.Image) -> None:
    from transformers import SamImageProcessor, SamModel, SamProcessor

    folder = roots[0] / "annotators" / "sam-vit-base"
    processor, model = SamProcessor(SamImageProcessor.from_pretrained(folder)), SamModel.from_pretrained(folder).eval()
    objects, shares = Objects(roots, "cpu"), []
    for point in ((75, 25), (10, 40)):
        given = processor(picture, input_points=[[list(point)]], return_tensors="pt")
        with torch.no_grad():
            answer = model(**{k: v.float() for k, v in given.items() if k in ("pixel_values", "input_points")})
        masks = processor.image_processor.post_process_masks(answer.pred_masks, [(48, 96)], given["reshaped_input_sizes"])[0][0]
        expected = masks[int(answer.iou_scores[0, 0].argmax())].numpy()
        made = objects.at(picture, point)
        assert made.mode == "L" and made.size == picture.size and np.array_equal(np.asarray(made) > 0, expected)
        shares.append(expected.mean())
    assert any(0 < share < 1 for share in shares), "a mask that is all or nothing would prove little"


def test_a_picture_is_encoded_once_for_all_its_clicks(roots: list[Path], picture: Image.Image,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    objects, calls = Objects(roots, "cpu"), []
    objects.at(picture, (1, 1))
    encode = objects._network.model.get_image_embeddings
    monkeypatch.setattr(objects._network.model, "get_image_embeddings", lambda pixels: calls.append(1) or encode(pixels))
    objects.at(picture, (50, 20))
    assert not calls
    objects.at(picture.transpose(Image.Transpose.ROTATE_90), (1, 1))
    assert len(calls) == 1


def test_without_weights_the_folder_is_named_and_a_damaged_one_too(roots: list[Path], picture: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="sam-vit-base .* into models/annotators"):
        Objects([tmp_path], "cpu").at(picture, (1, 1))
    broken = tmp_path / "annotators" / "sam-vit-base"
    broken.mkdir(parents=True)
    (broken / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(ModelFileError, match="cannot be read"):
        Objects([tmp_path], "cpu").at(picture, (1, 1))
