"""docs/samplers.md holds the tables that the code prints."""

from pathlib import Path

import pytest

from pipelines.samplers import table


@pytest.mark.parametrize("part", [table.samplers, table.schedules], ids=["samplers", "schedules"])
def test_the_document_holds_the_table_printed_from_the_code(root: Path, part) -> None:
    document = (root / "docs" / "samplers.md").read_text(encoding="utf-8")
    assert part() in document, "run python -m pipelines.samplers.table"
