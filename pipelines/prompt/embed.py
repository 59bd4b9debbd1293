"""A prompt to the embeddings a diffusers Stable Diffusion or SDXL pipeline takes; knows no sampler and no request.

At weight 1 and up to 75 tokens the result equals the pipeline's own `encode_prompt` bit for bit. Each chunk of 75 is
encoded by itself and the results are joined. Emphasis is AUTOMATIC1111's: the embedding of a token times its weight, then
("Original") the whole chunk scaled so that its mean is as before. Clip skip 1 is the encoder's end; n is what diffusers calls
`clip_skip = n - 1`, applied to the negative prompt too, as AUTOMATIC1111 does.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipelines.prompt.chunks import Chunk, chunked
from pipelines.prompt.inversion import NO_INVERSIONS, Inversions
from pipelines.prompt.parse import parse, parts, pieces
from pipelines.prompt.regions import Region, check
from pipelines.prompt.tree import Prompt, Span, timeline
from pipelines.spec.errors import FieldError

if TYPE_CHECKING:
    from torch import Tensor


class Part(NamedTuple):
    """One prompt of `a AND b :0.5`: its weight, `prompt_embeds` (and `pooled_prompt_embeds`) as in a segment's call, its region."""

    weight: float
    call_kwargs: dict[str, Tensor]
    region: Region | None = None


@dataclass(frozen=True)
class Segment:
    """What to call the pipeline with from step `start_step` (0-based) on; tensors are (1, tokens, width) and (1, width).

    parts: every prompt of a composition, for `patches.composition`; empty for an ordinary prompt.
    """

    start_step: int
    call_kwargs: dict[str, Tensor]
    parts: tuple[Part, ...] = ()


class Encodable(Protocol):
    """What `encode` reads of a request.

    emphasis: "Original" (weight, then the mean restored), "No norm" (weight alone), "Ignore" (brackets are read, weights
    not used), "None" (brackets are characters).
    """

    @property
    def prompt(self) -> str: ...
    @property
    def negative_prompt(self) -> str: ...
    @property
    def clip_skip(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def emphasis(self) -> str: ...


class Wanted(NamedTuple):
    """A prompt without a request round it."""

    prompt: str
    negative_prompt: str = ""
    clip_skip: int = 1
    steps: int = 1
    emphasis: str = "Original"


class Reading(NamedTuple):
    """How words become numbers."""

    emphasis: str
    inversions: Inversions


class Encoded(NamedTuple):
    """One chunk through one encoder: (1, 77, width), and the pooled (1, width) where the encoder projects."""

    hidden: Tensor
    pooled: Tensor | None


class EmbeddingCache:
    """Remembers the last chunks. An encoder that is gone is forgotten; after changing its weights call `clear`."""

    def __init__(self, size: int = 64) -> None:
        self.size, self.hits = size, 0
        self._kept: OrderedDict[tuple, tuple[weakref.ref, Encoded]] = OrderedDict()

    def get(self, encoder: Any, key: tuple) -> Encoded | None:
        # The id alone could belong to a new encoder in an old one's place: the reference tells.
        held = self._kept.get((id(encoder), *key))
        if held is None or held[0]() is not encoder:
            return None
        self._kept.move_to_end((id(encoder), *key))
        self.hits += 1
        return held[1]

    def put(self, encoder: Any, key: tuple, value: Encoded) -> Encoded:
        self._kept[(id(encoder), *key)] = (weakref.ref(encoder), value)
        while len(self._kept) > self.size:
            self._kept.popitem(last=False)
        return value

    def clear(self) -> None:
        self._kept.clear()


def embed(pipe: Any, prompt: str, negative: str = "", clip_skip: int = 1) -> dict[str, Tensor]:
    """Call arguments for a prompt, as it stands at the first of one step: `prompt_embeds`, `negative_prompt_embeds`, and
    for SDXL the pooled ones. Raises FieldError when `clip_skip` exceeds the encoder's layers."""
    return embed_schedule(pipe, prompt, negative, clip_skip, 1)[0].call_kwargs


def embed_schedule(pipe: Any, prompt: str, negative: str = "", clip_skip: int = 1, steps: int = 1,
                   cache: EmbeddingCache | None = None) -> list[Segment]:
    """`encode` for a prompt of AUTOMATIC1111's usual reading."""
    return encode(pipe, Wanted(prompt, negative, clip_skip, steps), cache)


def encode(pipe: Any, wanted: Encodable, cache: EmbeddingCache | None = None, inversions: Inversions = NO_INVERSIONS,
           earlier: int = 0) -> list[Segment]:
    """Call arguments for every stretch of the run in which prompt and negative stay the same; usually one.

    wanted: a request, or a `Wanted`; its `steps` are the user's.   inversions: embeddings its words may name.
    earlier: steps of the pass before this one (hires), 0 for the first.
    Prompts and negative of a segment have equally many chunks. A region of weight 0 is left out. Raises FieldError for a clip
    skip beyond the encoder, for an embedding that does not fit it, and for a region that cannot be read.
    """
    check(pieces(wanted.prompt))
    towers = _towers(pipe, wanted.clip_skip, cache or EmbeddingCache(), Reading(wanted.emphasis, inversions))
    bracketed = wanted.emphasis != "None"
    conditions = [part for part in parts(wanted.prompt, bracketed) if part.weight or not part.region]
    lines = [timeline(one, wanted.steps, earlier) for one in (*conditions, parse(wanted.negative_prompt, bracketed))]
    starts = sorted({start for line in lines for start, _ in line})
    return [_segment(towers, start, conditions, [_holding(line, start) for line in lines]) for start in starts]


def _holding(stretches: Sequence[tuple[int, tuple[Span, ...]]], step: int) -> tuple[Span, ...]:
    return next(spans for start, spans in reversed(stretches) if start <= step)


def _segment(towers: Sequence[_Tower], start: int, conditions: Sequence[Prompt], held: Sequence[Sequence[Span]]) -> Segment:
    """held: the words of every condition, then those of the negative prompt."""
    width = max(tower.chunk_count(spans) for tower in towers for spans in held)
    encoded = [_call(towers, spans, width) for spans in held]
    call = encoded[0] | {f"negative_{name}": tensor for name, tensor in encoded[-1].items()}
    plain = len(conditions) == 1 and conditions[0].weight == 1.0
    composed = () if plain else tuple(Part(one.weight, own, one.region) for one, own in zip(conditions, encoded, strict=False))
    return Segment(start, call, composed)


def _call(towers: Sequence[_Tower], spans: Sequence[Span], width: int) -> dict[str, Tensor]:
    import torch

    results = [tower.encode(spans, width) for tower in towers]
    call = {"prompt_embeds": torch.cat([r.hidden for r in results], dim=-1).to(towers[-1].encoder.dtype)}
    if (pooled := results[-1].pooled) is not None:
        call["pooled_prompt_embeds"] = pooled
    return call


def _towers(pipe: Any, clip_skip: int, cache: EmbeddingCache, reading: Reading) -> list[_Tower]:
    second = getattr(pipe, "text_encoder_2", None)
    pairs = [(pipe.tokenizer, pipe.text_encoder), (getattr(pipe, "tokenizer_2", None), second)]
    depth = 2 if second is not None else 1      # SDXL was trained on the last layer but one, without the final norm
    return [_Tower(pipe, tokenizer, encoder, (depth, clip_skip), cache, reading) for tokenizer, encoder in pairs
            if encoder is not None]


class _Tower:
    """One tokenizer and its encoder. `depth` 1 reads the normalised end (SD 1.x, 2.x), 2 the raw layer before (SDXL)."""

    def __init__(self, pipe: Any, tokenizer: Any, encoder: Any, layers: tuple[int, int], cache: EmbeddingCache,
                 reading: Reading) -> None:
        self.pipe, self.tokenizer, self.encoder, self.cache = pipe, tokenizer, encoder, cache
        self.depth, self.skip = layers
        self.emphasis, self.inversions = reading.emphasis, reading.inversions
        self.width = encoder.get_input_embeddings().weight.shape[1]
        self.pools = self.depth == 2
        deepest = encoder.config.num_hidden_layers - (self.depth - 1)
        if not 1 <= self.skip <= deepest:
            raise FieldError("Clip skip", self.skip, f"this model's text encoder has {deepest} layers to stop at",
                             f"1-{deepest}")

    def chunks(self, spans: Sequence[Span]) -> list[Chunk]:
        return chunked(spans, self._ids, self.tokenizer.model_max_length - 2, self.inversions.together)

    def chunk_count(self, spans: Sequence[Span]) -> int:
        return len(self.chunks(spans))

    def _ids(self, words: str) -> list[int]:
        return [token for piece in self.inversions.cut(words, self.width)
                for token in (self._words(piece) if isinstance(piece, str) else piece)]

    def _words(self, words: str) -> list[int]:
        # A lone surrogate is no UTF-8 and would stop the tokenizer.
        clean = words.encode("utf-8", "replace").decode("utf-8")
        return self.tokenizer(clean, add_special_tokens=False, truncation=False, verbose=False).input_ids

    def encode(self, spans: Sequence[Span], width: int) -> Encoded:
        """`width` chunks side by side, padded with empty ones; the pooled one is the first chunk's."""
        import torch

        chunks = self.chunks(spans)
        done = [self._chunk(chunk) for chunk in [*chunks, *(Chunk() for _ in range(width - len(chunks)))]]
        return Encoded(torch.cat([d.hidden for d in done], dim=1), done[0].pooled)

    def _chunk(self, chunk: Chunk) -> Encoded:
        key = (self.inversions.named(chunk.ids), self.depth, self.skip)
        plain = self.cache.get(self.encoder, key) or self.cache.put(self.encoder, key, self._run(chunk.ids))
        if self.emphasis == "Ignore" or all(weight == 1.0 for weight in chunk.weights):
            return plain
        return plain._replace(hidden=emphasised(plain.hidden, [1.0, *chunk.weights], self.emphasis == "Original"))

    def _run(self, ids: Sequence[int]) -> Encoded:
        import torch

        tokens, device = self.tokenizer, self.pipe._execution_device     # walks every module: asked only when needed
        length = tokens.model_max_length
        row = [tokens.bos_token_id, *ids, tokens.eos_token_id]
        padded = torch.tensor([row + [tokens.pad_token_id] * (length - len(row))], device=device)
        mask = None
        if getattr(self.encoder.config, "use_attention_mask", False):
            mask = torch.tensor([[1] * len(row) + [0] * (length - len(row))], device=device)
        deep = self.depth > 1 or self.skip > 1
        with torch.no_grad(), self.inversions.given(self.encoder, padded):
            out = self.encoder(padded, attention_mask=mask, output_hidden_states=deep)
            return Encoded(self._read(out), out[0] if self.pools and out[0].ndim == 2 else None)

    def _read(self, out: Any) -> Tensor:
        if self.depth > 1:
            return out.hidden_states[-(self.skip + 1)]
        if self.skip == 1:
            return out[0]
        # transformers 5 took the inner `text_model` away; older encoders still have it.
        inner = getattr(self.encoder, "text_model", self.encoder)
        return inner.final_layer_norm(out.hidden_states[-self.skip])


def emphasised(hidden: Tensor, weights: Sequence[float], restore: bool = True) -> Tensor:
    """`hidden` (1, tokens, width), its first tokens times `weights`; with `restore` scaled back to its own mean.

    The scale is left out where it would flip or blow the embedding up (weights below zero, a mean of nearly zero).
    """
    import torch

    factors = torch.ones(hidden.shape[1], dtype=torch.float32, device=hidden.device)
    factors[: len(weights)] = torch.tensor(weights, dtype=torch.float32, device=hidden.device)
    before = hidden.float()
    after = before * factors[None, :, None]
    if not restore:
        return after.to(hidden.dtype)
    scale = float(before.mean() / after.mean()) if float(after.mean()) else 0.0
    return (after * scale if 0.1 <= scale <= 10 else after).to(hidden.dtype)
