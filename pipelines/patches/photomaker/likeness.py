"""The likeness of photos over one run: LoRA on, prompt embeddings without and with it, LoRA off without trace.

Works on the studio's own prompt embedding: the tokenizer it sees repeats the class token once an id token, so weights,
schedules and long prompts stay what they are everywhere else. The trigger never reaches a tokenizer. Knows no request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pipelines.patches.photomaker.rules import TRIGGER, check_prompt, merge_step, split
from pipelines.patches.photomaker.state import Adapter
from pipelines.prompt.chunks import chunked
from pipelines.prompt.embed import EmbeddingCache, Segment, encode
from pipelines.prompt.inversion import NO_INVERSIONS, Inversions
from pipelines.prompt.parse import parse
from pipelines.prompt.tree import Span, timeline
from pipelines.spec.errors import FieldError

if TYPE_CHECKING:
    from torch import Tensor

LORA_NAME = "photomaker"
Cut = Callable[[str], Iterable["str | list[int]"]]      # words -> plain text, and place holders of embeddings


@dataclass(frozen=True)
class Wish:
    """What the user asked for; its first five fields are what `prompt.embed.encode` reads.

    style_strength 0-100: how much of the run sees the words alone.   strength 0-1.5: of the likeness, its LoRA's too; 1 as
    trained.   inversions: embeddings words may name.
    """

    prompt: str
    negative_prompt: str = ""
    clip_skip: int = 1
    steps: int = 50
    emphasis: str = "Original"
    style_strength: float = 20.0
    strength: float = 1.0
    inversions: Inversions = NO_INVERSIONS

    @property
    def bracketed(self) -> bool:
        return self.emphasis != "None"


class Likeness:
    """`segments` replace those of `prompt.embed.encode`; `on_step` does the same for a pipeline that is called directly."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = list(segments)
        self.call_args: Mapping[str, Tensor] = self.segments[0].call_kwargs
        self._starting = {segment.start_step: segment.call_kwargs for segment in segments}

    def on_step(self, pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """At the end of `step` (0-based): the tensors for the next one. Ask the pipeline for "prompt_embeds", and for
        "add_text_embeds" where the model pools.
        """
        import torch

        call = self._starting.get(step + 1)
        if call is None:
            return tensors
        names = {"prompt_embeds": "prompt_embeds", "add_text_embeds": "pooled_prompt_embeds"}
        for tensor, name in names.items():
            if tensor in tensors:
                both = [call[f"negative_{name}"], call[name]] if pipe.do_classifier_free_guidance else [call[name]]
                each = tensors[tensor].shape[0] // len(both)
                tensors[tensor] = torch.cat([part.repeat_interleave(each, dim=0) for part in both])
        return tensors


@contextmanager
def likeness(pipe: Any, adapter: Adapter, pixels: Tensor, wish: Wish, faces: Tensor | None = None,
             cache: EmbeddingCache | None = None) -> Iterator[Likeness]:
    """The likeness of photos (n, 3, side, side) while the block runs; `faces` (n, 512) for a version 2 adapter.

    Raises FieldError for a model of another width, a prompt without its trigger, no or too many photos, missing faces.
    `cache` is only read and filled while the LoRA leaves the text encoders alone, as PhotoMaker's does.
    """
    check_model(pipe, adapter)
    _check_photos(adapter, pixels, faces)
    check_prompt(wish.prompt, wish.negative_prompt, wish.steps, wish.bracketed)
    ids = _ids(pipe, adapter, pixels, faces)
    segments = _segments(pipe, adapter, ids, wish, cache)
    with _lora(pipe, adapter.lora, wish.strength):
        yield Likeness(segments)


def check_model(pipe: Any, adapter: Adapter) -> None:
    """Raise FieldError when the model's prompt is not as wide as the adapter's."""
    width, needed = pipe.unet.config.cross_attention_dim, adapter.encoder.config.width
    if width != needed:
        known = {2048: "Stable Diffusion XL", 768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 192: "Mini"}
        made, got = known.get(needed, f"models of width {needed}"), known.get(width, f"a model of width {width}")
        raise FieldError("Model", got, f"this PhotoMaker was made for {made} and cannot join it", made,
                         f"Choose a checkpoint of {made}")


def _check_photos(adapter: Adapter, pixels: Tensor, faces: Tensor | None) -> None:
    count = pixels.shape[0]
    if count == 0:
        raise FieldError("Photos", 0, "there is none to take the likeness from", "1 or more", "Add a photo of the person")
    if adapter.encoder.config.perceiver is None:
        return
    length = adapter.encoder.config.perceiver.face
    if faces is None or tuple(faces.shape) != (count, length):
        given = "none" if faces is None else f"{faces.shape[0]} of {faces.shape[-1]} numbers"
        raise FieldError("Face vectors", given, "PhotoMaker v2 needs one of every photo",
                         f"{count} of {length} numbers", "Give saved vectors, or use PhotoMaker v1")


def _ids(pipe: Any, adapter: Adapter, pixels: Tensor, faces: Tensor | None) -> Tensor:
    """Id tokens (n·tokens, d), in the UNet's precision as the reference runs the encoder."""
    import torch

    encoder, device, dtype = adapter.encoder, pipe._execution_device, pipe.unet.dtype
    with torch.no_grad():
        encoder.to(device, dtype)
        seen = encoder.identity(pixels[None].to(device, dtype), None if faces is None else faces[None].to(device, dtype))
    return seen.flatten(0, 2)


def _segments(pipe: Any, adapter: Adapter, ids: Tensor, wish: Wish, cache: EmbeddingCache | None) -> list[Segment]:
    """Words alone up to the merge step, the likeness from the next step on."""
    import torch

    def embedded(copies: int) -> list[Segment]:
        return encode(_view(pipe, copies), wish, cache, wish.inversions)

    joins = merge_step(wish.style_strength, wish.steps) + 1
    plain, carrying = embedded(1), []
    for segment in embedded(len(ids)) if joins < wish.steps else []:
        prompt = segment.call_kwargs["prompt_embeds"]
        mask = torch.zeros(prompt.shape[:2], dtype=torch.bool, device=prompt.device)
        words = _words(wish, segment.start_step)
        mask[0, class_places(pipe.tokenizer, words, len(ids), _cutter(pipe, wish.inversions))] = True
        with torch.no_grad():
            fused = adapter.encoder.fuse_module(prompt.to(ids.dtype), ids[None, :, None], mask).to(prompt.dtype)
        if wish.strength != 1:
            fused = torch.lerp(prompt, fused, wish.strength)
        carrying.append(replace(segment, call_kwargs=segment.call_kwargs | {"prompt_embeds": fused}))
    before = [s for s in plain if s.start_step < joins]
    begun = [s for s in carrying if s.start_step <= joins][-1:]
    return before + [replace(s, start_step=joins) for s in begun] + [s for s in carrying if s.start_step > joins]


def _words(wish: Wish, step: int) -> tuple[Span, ...]:
    return next(spans for start, spans in reversed(timeline(parse(wish.prompt, wish.bracketed), wish.steps))
                if start <= step)


def _cutter(pipe: Any, inversions: Inversions) -> Cut:
    width = pipe.text_encoder.get_input_embeddings().weight.shape[1]
    return lambda words: inversions.cut(words, width)


def class_places(tokenizer: Any, spans: Sequence[Span], copies: int, cut: Cut = lambda words: [words]) -> list[int]:
    """Rows of the embeddings that hold the repeated class token. Raises FieldError when they do not fit one chunk."""
    marked = _Repeating(tokenizer, copies, marking=True)
    capacity = tokenizer.model_max_length - 2

    def ids(words: str) -> list[int]:
        return [token for piece in cut(words)
                for token in (marked(piece, add_special_tokens=False).input_ids if isinstance(piece, str) else piece)]

    chunks = chunked(spans, ids, capacity)
    places = [(number, 1 + at) for number, chunk in enumerate(chunks) for at, token in enumerate(chunk.ids) if token < 0]
    if len({number for number, _ in places}) != 1:
        raise FieldError("Photos", copies, f"their class tokens do not fit beside the prompt's {capacity} tokens",
                         "fewer photos or fewer words before the class word")
    return [number * tokenizer.model_max_length + at for number, at in places]


class _Repeating:
    """A tokenizer without the trigger: the token before it stands `copies` times. `marking` makes those ids negative."""

    def __init__(self, tokenizer: Any, copies: int, marking: bool = False) -> None:
        self._tokenizer, self._copies, self._marking = tokenizer, copies, marking

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, text: str, **settings: Any) -> Any:
        parts = split(text)
        if parts is None:
            return SimpleNamespace(input_ids=self._tokenizer(text, **settings).input_ids)
        before, after = (self._tokenizer(part, **settings).input_ids for part in parts)
        if not before:      # an embedding's name took the class word's place
            raise FieldError("Prompt", text, f"“{TRIGGER}” must follow a word of the vocabulary, not an embedding")
        last = -before[-1] - 1 if self._marking else before[-1]
        return SimpleNamespace(input_ids=[*before[:-1], *[last] * self._copies, *after])


def _view(pipe: Any, copies: int) -> Any:
    """What the prompt embedding reads of a pipeline, its tokenizers without the trigger."""
    second = getattr(pipe, "tokenizer_2", None)
    return SimpleNamespace(
        tokenizer=_Repeating(pipe.tokenizer, copies), text_encoder=pipe.text_encoder,
        tokenizer_2=None if second is None else _Repeating(second, copies),
        text_encoder_2=getattr(pipe, "text_encoder_2", None), _execution_device=pipe._execution_device)


@contextmanager
def _lora(pipe: Any, tensors: Mapping[str, Tensor], weight: float) -> Iterator[None]:
    """The adapter's LoRA beside whatever others are on; afterwards those are as they were."""
    if not tensors or weight == 0:
        yield
        return
    config = getattr(pipe.unet, "peft_config", {})
    others = pipe.get_active_adapters() if config else []
    weights = [_weight_of(pipe.unet, name) for name in others]
    try:
        pipe.load_lora_weights(dict(tensors), adapter_name=LORA_NAME)
        pipe.set_adapters([*others, LORA_NAME], [*weights, weight])
        yield
    finally:
        if others:
            pipe.delete_adapters(LORA_NAME)
            pipe.set_adapters(others, weights)
        else:
            pipe.unload_lora_weights()


def _weight_of(unet: Any, name: str) -> float:
    """The weight a LoRA is on with now: its scaling over the scaling it was loaded with."""
    from peft.tuners.lora import LoraLayer

    for layer in unet.modules():
        if isinstance(layer, LoraLayer) and name in layer.scaling:
            return layer.scaling[name] / (layer.lora_alpha[name] / layer.r[name])
    return 1.0


__all__ = ["LORA_NAME", "TRIGGER", "Likeness", "Wish", "check_model", "class_places", "likeness"]
