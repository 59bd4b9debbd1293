"""PhotoMaker v2 reads a vector of every face: that is known from its header, and said before anything is queued."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipelines.archive.inputs import Inputs
from pipelines.families.identity import FACES, FUSED
from pipelines.loading.identity_files import find_identity, identities
from pipelines.loading.library import Library
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.identity import check, packed

SHIPPED = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Mini with its own adapter, and beside it a first and a second version for it, told apart by their keys alone."""
    (tmp_path / "photomaker").mkdir()
    save_file({FUSED: torch.zeros(192)}, tmp_path / "photomaker" / "z-first.safetensors")
    save_file({FUSED: torch.zeros(192), FACES: torch.zeros(192)}, tmp_path / "photomaker" / "a-second.safetensors")
    return Library([SHIPPED, tmp_path], tmp_path)


def test_what_photos_alone_are_enough_for_is_taken_first(library: Library) -> None:
    found = identities(library, "mini")
    assert [one.name for one in found if one.needs_vectors] == ["a-second"] == [found[-1].name]
    assert not find_identity(library, library.find("mini"), "Automatic").needs_vectors


def test_a_second_version_without_vectors_is_refused_before_the_run(library: Library, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    photo = inputs.keep(Image.effect_noise((64, 64), 60).convert("RGB"))
    wanted = GenerationRequest.parse({"prompt": "a man img, in a park", "identity": {"photos": [photo], "adapter": "a-second"}})
    with pytest.raises(FieldError, match=r"a-second is PhotoMaker v2.*1 of 512 numbers.*--identity-vectors"):
        check(wanted, library, inputs)
    check(wanted.merged({"identity": {"vectors": [packed(np.ones(512, np.float32))]}}), library, inputs)
    check(wanted.merged({"identity": {"adapter": "z-first"}}), library, inputs)
