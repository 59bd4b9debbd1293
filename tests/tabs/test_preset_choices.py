"""The row of presets offers first what can be used: those made for the family of the models there are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipelines.presets import Presets
from tabs.presets import choices


@pytest.mark.parametrize(("families", "first"), [
    (["mini"], ["tokyo-lady-mini", "valley-mini"]), (["mini", "sd15"], ["tokyo-lady", "tokyo-lady-mini"]),
    (["sd15", "sd15"], ["tokyo-lady", "valley"]), ([], ["tokyo-lady", "tokyo-lady-mini"])],
    ids=["mini-alone", "two-families", "one-family-twice", "no-model"])
def test_presets_of_the_only_family_come_first(root, tmp_path, families, first):
    models = [SimpleNamespace(family=SimpleNamespace(name=name)) for name in families]
    studio = SimpleNamespace(presets=Presets([root / "presets", tmp_path]), settings=SimpleNamespace(language="en"),
                             library=SimpleNamespace(models=lambda: models))
    names = [name for _, name in choices(studio)]
    assert names[:2] == first and len(names) == 9
