"""Tensors of an adapter's file (PhotoMaker, IP-Adapter, guidance predictor), by names in one level: "part.key"."""

from __future__ import annotations

from pathlib import Path

from pipelines.loading.compat import torch
from pipelines.loading.facts import Facts
from pipelines.loading.header import read_header
from pipelines.loading.pickled import safetensors_of
from pipelines.loading.tensors import read_tensors


def read_adapter(path: Path, name: str = "", facts: Facts | None = None) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, metadata) of `path`. Raises ModelFileError.

    facts: keeps the conversion of the published .bin and .pt, which are pickles; None converts for this once.
    """
    name = name or path.name
    facts = facts or Facts(None)        # must live while what it converted is read
    plain = safetensors_of(path, name, facts)
    header = read_header(plain, name)
    return read_tensors(plain, header, header.tensors, None, name), dict(header.metadata)
