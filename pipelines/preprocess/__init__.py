"""Preprocessors: what turns a picture into a ControlNet's condition, as rows. Runs nothing heavy; no torch.

`pipelines.tasks.preprocess.Preprocessors` runs them: it knows which weights lie on disk.
"""

from pipelines.preprocess.row import Option, Preprocessor, Weight
from pipelines.preprocess.rows import CONTROL_TYPES, RESOLUTION, ROWS, of_type
from pipelines.preprocess.sizes import RESIZE_MODES, Placed, detected, perfect_resolution, placed, resized

__all__ = ["CONTROL_TYPES", "RESIZE_MODES", "RESOLUTION", "ROWS", "Option", "Placed", "Preprocessor", "Weight", "detected",
           "of_type", "perfect_resolution", "placed", "resized"]
