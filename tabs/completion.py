"""The names that the prompt fields offer while somebody types: LoRAs, embeddings, wildcard lists, and the tags of tag files.

They go to the page once, when somebody first types (`assets/complete.js`), and again after the lists were brought up to date.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelines.loading.lora_card import card
from pipelines.loading.loras import embeddings
from pipelines.studio import Studio

CARDS = 1_000           # LoRA files that are opened for their trigger words; of more only the names are known
TAGS, TAG_FILE, TAG = 50_000, 30 * 2**20, 200       # the most used tags; bytes of a file; characters of a tag with its aliases


def names(studio: Studio) -> dict[str, Any]:
    """{"loras": [[name, tag, trigger words]], "embeddings": [name], "wildcards": [name], "tags": [[name, count, aliases]]}."""
    loras = studio.library.of_kind("lora")
    cards = [(one.name, one.tag, list(one.triggers)) for one in map(card, loras[:CARDS]) if not one.problem]
    files = sorted(studio.settings.home_dir.glob("*.csv"))
    return {"loras": cards + [(file.name, f"<lora:{file.name}:1>", []) for file in loras[CARDS:]],
            "embeddings": list(embeddings(studio.library)),
            "wildcards": studio.hooks.wildcards(),
            "tags": sorted((tag for file in files for tag in tags(file, file.stat().st_mtime_ns)), key=lambda tag: -tag[1])[:TAGS]}


@lru_cache(maxsize=8)
def tags(file: Path, _changed: int) -> tuple[tuple[str, int, str], ...]:
    """(name, count, aliases) of a tag file's lines: name,category,count,"alias,alias". Lines that are none are passed over."""
    if file.stat().st_size > TAG_FILE:
        return ()
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    rows = (row for row in csv.reader(lines) if len(row) >= 2 and 0 < len(row[0]) <= TAG)
    return tuple((row[0], int(row[2]) if len(row) > 2 and row[2].isascii() and row[2].isdigit() else 0,
                  row[3][:TAG] if len(row) > 3 else "") for row in rows if row[1].isdigit())
