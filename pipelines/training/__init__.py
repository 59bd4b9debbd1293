"""Fine-tuning, and the makers of the embedded models."""

from pipelines.loading import compat  # noqa: F401 - torchvision must know its operators before transformers imports it
