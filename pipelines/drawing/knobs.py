"""The three knobs of the literature to the numbers the ways need: arithmetic only (methods.md 2.5).

Realism halves at most what the other two hold: the control ends earlier, the start keeps less of the colours.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.spec.errors import FieldError


@dataclass(frozen=True)
class Knobs:
    """All 0-1. sketch: faithfulness to the lines; stroke: to the colours; realism: freedom from both. Raises FieldError."""

    sketch: float = 0.5
    stroke: float = 0.5
    realism: float = 0.5

    def __post_init__(self) -> None:
        for label, value in (("Sketch faithfulness", self.sketch), ("Stroke faithfulness", self.stroke), ("Realism", self.realism)):
            if not 0 <= value <= 1:
                raise FieldError(label, value, "outside its range", "0-1")

    @property
    def control_scale(self) -> float:
        """`controlnet_conditioning_scale`, 0-2."""
        return 2 * self.sketch

    @property
    def control_end(self) -> float:
        """`control_guidance_end`: 0 with no faithfulness, so that the control is off; else 0.15-1."""
        return 0.0 if self.sketch == 0 else (0.3 + 0.7 * self.sketch) * self._held

    @property
    def beta(self) -> float:
        """Strength of the latent guidance predictor, 0-2."""
        return 2 * self.sketch

    @property
    def strength(self) -> float:
        """Denoising strength over the colour start: 1 forgets the colours, 0.4 keeps most of them."""
        return 1 - 0.6 * self.stroke * self._held

    @property
    def guided_part(self) -> float:
        """Share of the steps that the latent guidance predictor corrects, 0.3-0.6; the literature has 0.5."""
        return 0.6 * self._held

    @property
    def _held(self) -> float:
        return 1 - self.realism / 2
