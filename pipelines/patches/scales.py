"""One CFG scale for each picture of a batch, where a pipeline takes one for all.

The pipeline computes u + s (c - u) with the scale s of the first picture. A hook hands it u + r (c - u) in the place of c,
r being the picture's own scale over s, so that what comes out is u + s r (c - u).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


class Scales:
    """Use as a context manager round a guided sampling run. With equal scales the calls pass through untouched."""

    def __init__(self, unet: nn.Module, scales: Sequence[float]) -> None:
        """scales: above 1, one a picture; the pipeline is called with the first."""
        self._unet, self._scales = unet, scales

    def __enter__(self) -> Scales:
        self._hook = self._unet.register_forward_hook(self._fold) if len(set(self._scales)) > 1 else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._hook:
            self._hook.remove()

    def _fold(self, _module: nn.Module, _args: tuple, output: Any) -> Any:
        import torch

        answer = output[0] if isinstance(output, tuple) else output.sample
        if len(answer) == len(self._scales):        # not guided just now
            return None
        without, conditioned = answer.chunk(2)
        ratios = torch.tensor([scale / self._scales[0] for scale in self._scales], dtype=answer.dtype, device=answer.device)
        answer = torch.cat([without, without + ratios[:, None, None, None] * (conditioned - without)])
        return (answer, *output[1:]) if isinstance(output, tuple) else type(output)(sample=answer)
