"""Tiny pipelines of the real classes with random weights, and a vocabulary of a few hundred tokens."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest

from pipelines.loading import compat  # noqa: F401  (makes `import diffusers` safe)

WORDS = ("red", "car", "snow", "cat", "night", "house", "sky", "sun", "hill", "valley", "lady", "street", "tokyo", "blue",
         "photo", "of", "a", "in", "the", "at", "and")
TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2, "projection_dim": 32,
        "max_position_embeddings": 77}
UNET = {"sample_size": 8, "in_channels": 4, "out_channels": 4, "block_out_channels": (32, 64), "layers_per_block": 1,
        "norm_num_groups": 8, "attention_head_dim": 4}


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """CLIP's kind of vocabulary (byte-level BPE, words end in </w>): all bytes, and the words above as one token each."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted({*pre_tokenizers.ByteLevel.alphabet(), *string.ascii_letters})
    vocab = {token: i for i, token in enumerate([*letters, *(c + "</w>" for c in letters)])}
    merges = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            if parts[0] + parts[1] not in vocab:
                vocab[parts[0] + parts[1]] = len(vocab)
                merges.append((parts[0], parts[1]))
            parts = [parts[0] + parts[1], *parts[2:]]
    vocab |= {"<|startoftext|>": len(vocab), "<|endoftext|>": len(vocab) + 1}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)


@pytest.fixture(scope="session")
def tokenizer_json(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return folder / "tokenizer.json"


def text_config(tokenizer: Any, **more: Any) -> Any:
    from transformers import CLIPTextConfig

    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
           "pad_token_id": tokenizer.pad_token_id}
    return CLIPTextConfig(vocab_size=len(tokenizer), **{**TEXT, **ids, **more})


def vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4,
                         down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)


@pytest.fixture(scope="session")
def sd(tokenizer: Any) -> Any:
    """Stable Diffusion 1.x in small."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(**UNET, cross_attention_dim=32, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    return StableDiffusionPipeline(vae(), CLIPTextModel(text_config(tokenizer)).eval(), tokenizer, unet,
                                   EulerDiscreteScheduler(steps_offset=1), None, None, requires_safety_checker=False)


@pytest.fixture(scope="session")
def sd2(sd: Any, tokenizer: Any) -> Any:
    """Stable Diffusion 2.x in small: OpenCLIP's activation, padded with "!" instead of the end token."""
    import copy

    import torch
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPTextModel

    torch.manual_seed(1)
    padded = copy.deepcopy(tokenizer)
    padded.pad_token = "!"
    encoder = CLIPTextModel(text_config(padded, hidden_act="gelu")).eval()
    return StableDiffusionPipeline(**{**sd.components, "text_encoder": encoder, "tokenizer": padded},
                                   requires_safety_checker=False)


@pytest.fixture(scope="session")
def sdxl(sd2: Any, tokenizer: Any) -> Any:
    """SDXL in small: two encoders, the second with a projection."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(2)
    unet = UNet2DConditionModel(
        **UNET, cross_attention_dim=64, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=8 * 6 + 32)
    first, second = CLIPTextModel(text_config(tokenizer)), CLIPTextModelWithProjection(text_config(sd2.tokenizer))
    return StableDiffusionXLPipeline(vae(), first.eval(), second.eval(), tokenizer, sd2.tokenizer, unet,
                                     EulerDiscreteScheduler(steps_offset=1), add_watermarker=False)
