"""CLIP's tokenizer, built once from the byte-pair list in the MIT-licensed `open_clip_torch` wheel; nothing is downloaded.

The list (`bpe_simple_vocab_16e6.txt.gz`) is read as a file: open_clip is not imported and neither is torch. The ids are
OpenAI CLIP's: 256 bytes, the same 256 ending a word, 48 894 merges, `<|startoftext|>` 49406, `<|endoftext|>` 49407.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pipelines.spec.errors import StorageError

MERGES = 49152 - 256 - 2        # lines of the list that CLIP uses, of 262 145
START, END = "<|startoftext|>", "<|endoftext|>"
SPLIT = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def tokenizer_json(cache: Path) -> Path:
    """`cache/clip/tokenizer.json`, written on first use (0.3 s). For the `tokenizers` library alone."""
    path = cache / "clip" / "tokenizer.json"
    if not path.exists():
        write_atomically(path, _tokenizer().to_str())
    return path


def byte_letters() -> list[str]:
    """A printable letter for each of the 256 bytes, in CLIP's order: printable ones stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(others)]


def merges() -> list[tuple[str, str]]:
    """CLIP's merges in order. Raises StorageError when the wheel that carries the list is missing."""
    spec = importlib.util.find_spec("open_clip")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    source = next((p for f in folders if (p := Path(f) / "bpe_simple_vocab_16e6.txt.gz").exists()), None)
    if source is None:
        raise StorageError("Tokenizer: CLIP's word list is missing. Install it: pip install open_clip_torch")
    lines = gzip.decompress(source.read_bytes()).decode("utf-8").split("\n")[1:MERGES + 1]
    return [(a, b) for a, _, b in (line.partition(" ") for line in lines)]


def vocabulary() -> dict[str, int]:
    """Token -> id."""
    letters = byte_letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *(a + b for a, b in merges()), START, END]
    return {word: number for number, word in enumerate(words)}


def clip_tokenizer(cache: Path, pad_token: str = END) -> Any:
    """A transformers CLIPTokenizer over the cached vocabulary; CLIP-L pads with the end token, OpenCLIP with "!" (id 0)."""
    from transformers import CLIPTokenizer

    model = json.loads(tokenizer_json(cache).read_text(encoding="utf-8"))["model"]
    pairs = [tuple(pair) for pair in model["merges"]]
    make: Any = CLIPTokenizer       # its annotation of merges says list[str]; the library below wants pairs
    return make(vocab=model["vocab"], merges=pairs, pad_token=pad_token, model_max_length=77)


def _tokenizer() -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    bpe = models.BPE(vocab=vocabulary(), merges=merges(), continuing_subword_prefix="", end_of_word_suffix="</w>",
                     fuse_unk=False, unk_token=END)
    built = Tokenizer(bpe)
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    built.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    built.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ])
    built.decoder = decoders.ByteLevel()
    built.post_processor = processors.RobertaProcessing((END, 49407), (START, 49406), False, False)
    built.add_special_tokens([AddedToken(START, normalized=True), AddedToken(END, normalized=False)])
    return built


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old file, the new one, or none. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"Cache: {path.name} could not be written ({error.strerror}). Free some space.") from None
