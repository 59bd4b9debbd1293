"""Text and image alignment by a CLIP model of the transformers layout that lies on this disk; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL.Image import Image

from pipelines.loading.compat import torch
from pipelines.spec.errors import ModelFileError


class Clip:
    """`model`: CLIPModel; `tokenizer` and `processor` as transformers gives them. Vectors come normalised, float32."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any) -> None:
        self.model, self.tokenizer, self.processor = model.eval(), tokenizer, processor

    @classmethod
    def open(cls, folder: Path) -> Clip:
        """From a folder with config.json, .safetensors, tokenizer and preprocessor. Raises ModelFileError."""
        from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()      # what is loaded is said by us, once

        try:
            # Whatever precision the file has: in half of it a processor is slow and the cosines are coarse.
            return cls(CLIPModel.from_pretrained(folder, use_safetensors=True, local_files_only=True, dtype=torch.float32),
                       CLIPTokenizer.from_pretrained(folder, local_files_only=True),
                       CLIPImageProcessor.from_pretrained(folder, local_files_only=True))
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelFileError(folder.name, f"this folder holds no CLIP model ({type(error).__name__})",
                                 "It needs config.json, model.safetensors, the tokenizer's files and preprocessor_config.json."
                                 ) from None

    def images(self, pictures: Sequence[Image]) -> torch.Tensor:
        """(n, width)."""
        pixels = self.processor(images=[p.convert("RGB") for p in pictures], return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            return _unit(self.model.get_image_features(pixel_values=pixels.to(self.model.device, self.model.dtype)))

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(n, width); a text beyond the model's 77 tokens is cut."""
        read = self.tokenizer(list(texts), padding="max_length", truncation=True, max_length=77, return_tensors="pt")
        with torch.no_grad():
            return _unit(self.model.get_text_features(input_ids=read["input_ids"].to(self.model.device),
                                                      attention_mask=read["attention_mask"].to(self.model.device)))


def text_alignment(images: torch.Tensor, text: torch.Tensor) -> list[float]:
    """Cosine of every picture (n, width) with the prompt (1, width), -1 to 1."""
    return (images @ text[0]).tolist()


def image_alignment(images: torch.Tensor, references: torch.Tensor) -> list[float]:
    """Mean cosine of every picture (n, width) with the reference photos (m, width), -1 to 1."""
    return (images @ references.T).mean(dim=1).tolist()


def _unit(features: Any) -> torch.Tensor:
    # transformers 5 gives an output object whose pooled vector is the projected one.
    vector = features if isinstance(features, torch.Tensor) else features.pooler_output
    return torch.nn.functional.normalize(vector.float(), dim=-1)
