"""The pictures on the disk: saved atomically, indexed, searched, marked, trashed."""

from pipelines.archive.item import Item, NotSaved, difference
from pipelines.archive.outputs import Archive

__all__ = ["Archive", "Item", "NotSaved", "difference"]
