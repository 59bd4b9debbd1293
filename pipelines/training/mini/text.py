"""The words of mini: a byte-level BPE vocabulary in CLIP's format and the text encoder, taught to read attributes."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipelines.training.mini.loop import Habit, Training, averaged
from pipelines.training.mini.pictures import HELD_OUT
from pipelines.training.mini.run import Plan
from pipelines.training.mini.world.captions import Caption, caption
from pipelines.training.mini.world.labels import VALUES
from pipelines.training.mini.world.scene import WIDE, sample

TOKENS = 77
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
VOCABULARY = 2048
# Words that people type and captions do not: pieces of them should be real pieces of English.
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def teach_vocabulary(folder: Path, seed: int = 0, pictures: int = 20_000) -> CLIPTokenizer:
    """Learn merges over captions and all bytes, and write vocab.json, merges.txt and the tokenizer's configuration."""
    rng = Random(seed)
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - 516, end_of_word_suffix="</w>", show_progress=False)
    bpe.train_from_iterator((caption(sample(k, WIDE), rng).text for k in range(pictures)), trainer)
    learned = json.loads(bpe.to_str())["model"]["merges"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(a + "</w>" for a in alphabet)]
    merges = [tuple(m) if not isinstance(m, str) else tuple(m.split(" ")) for m in learned]
    words += [w for w in dict.fromkeys(a + b for a, b in merges) if w not in set(words)]
    words += [BOS, EOS]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({w: k for k, w in enumerate(words)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"bos_token": BOS, "eos_token": EOS, "pad_token": EOS, "unk_token": EOS}, indent=2)
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "CLIPTokenizer",
                "bos_token": BOS,
                "eos_token": EOS,
                "pad_token": EOS,
                "unk_token": EOS,
                "add_prefix_space": False,
                "do_lower_case": True,
                "errors": "replace",
                "model_max_length": TOKENS,
            },
            indent=2,
        )
    )
    return CLIPTokenizer.from_pretrained(folder)


def build(vocabulary: int, eos: int, bos: int) -> CLIPTextModel:
    """A random text encoder: 77 tokens to (77, 192)."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=192,
            intermediate_size=768,
            num_hidden_layers=3,
            num_attention_heads=6,
            max_position_embeddings=TOKENS,
            hidden_act="quick_gelu",
            projection_dim=192,
            bos_token_id=bos,
            eos_token_id=eos,
            pad_token_id=eos,
        )
    )


def tokenizer(plan: Plan) -> CLIPTokenizer:
    """The run's vocabulary, learned on first use."""
    folder = plan.work / "tokenizer"
    return CLIPTokenizer.from_pretrained(folder) if (folder / "vocab.json").exists() else teach_vocabulary(folder)


def encode(words: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """(n, 77) token ids."""
    return words(texts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt").input_ids


class Reader(nn.Module):
    """Linear readings of every attribute from the end-of-text state and from the padding, which the UNet looks at too."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = [len(v) + 1 for v in VALUES.values()]
        self.end = nn.Linear(width, sum(self.sizes))
        self.rest = nn.Linear(width, sum(self.sizes))

    def loss(self, states: torch.Tensor, at: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean cross-entropy over attributes and both readings, and the share read rightly at the end of text."""
        rows = torch.arange(len(states), device=states.device)
        total, right = states.new_zeros(()), states.new_zeros(())
        spot = at + 1 + (torch.rand_like(at, dtype=torch.float32) * (TOKENS - 1 - at)).long()
        for head, picked in ((self.end, states[rows, at]), (self.rest, states[rows, spot.clamp(max=states.shape[1] - 1)])):
            for logits, goal in zip(head(picked).split(self.sizes, 1), target.T, strict=True):
                total = total + F.cross_entropy(logits, goal) / (2 * len(self.sizes))
                right = right + (logits.argmax(1) == goal).float().mean() / (2 * len(self.sizes))
        return total, right


def targets(captions: list[Caption]) -> torch.Tensor:
    """(n, attributes): 0 where the text is silent, else 1 + the value's index."""
    return torch.tensor(
        [[1 + values.index(c.states[name]) if name in c.states else 0 for name, values in VALUES.items()] for c in captions]
    )


def train(plan: Plan) -> None:
    """Teach the text encoder to state what a caption states; the UNet then starts from words that already mean something.

    Pictures are not needed for this, so it runs beside the autoencoder.
    CLIP learns the same from pairs, at a thousand times the cost.
    """
    torch.manual_seed(plan.seed)
    words = tokenizer(plan)
    run = Training(plan, "text", both(words), None, Habit(0.995, 0.02))
    while run.goes_on():
        said = [caption(sample(run.rng.randrange(HELD_OUT), WIDE), run.rng) for _ in range(plan.batch)]
        ids = encode(words, [c.text for c in said])
        at = (ids == words.eos_token_id).int().argmax(1)
        ids = ids[:, : TOKENS if run.step % 4 == 0 else int(at.max()) + 4]
        states = run.model["text"](ids.to(plan.device)).last_hidden_state
        loss, right = run.model["reader"].loss(states, at.to(plan.device), targets(said).to(plan.device))
        run.learn(loss, right=right)


def both(words: CLIPTokenizer) -> nn.ModuleDict:
    """A random text encoder and its reader, as they are trained together."""
    return nn.ModuleDict({"text": build(len(words), words.eos_token_id, words.bos_token_id), "reader": Reader(192)})


def finished(plan: Plan) -> CLIPTextModel:
    """The taught text encoder (random weights where it has not been taught yet)."""
    pair = both(tokenizer(plan))
    averaged(pair, plan.work / "text.pt")
    return pair["text"].eval().requires_grad_(False)
