"""LAION's aesthetic predictors: a small head on CLIP's image vector, in both published layouts. Marks of about 1-10.

The heads were trained on vectors of ViT-L/14 (768 wide) as `ranking.clip` gives them: normalised.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.loading.compat import torch
from pipelines.spec.errors import FieldError, ModelFileError

DROPS = (0.2, 0.2, 0.1)     # the published head's; they matter to its key numbers only


class AestheticHead:
    """Marks for image vectors."""

    def __init__(self, network: torch.nn.Module, width: int) -> None:
        self.network, self.width = network.eval().requires_grad_(False), width

    def marks(self, images: torch.Tensor) -> list[float]:
        """Normalised vectors (n, width) -> one mark each. Raises FieldError for vectors of another CLIP."""
        if images.shape[-1] != self.width:
            raise FieldError("Aesthetic model", images.shape[-1], f"it reads CLIP vectors {self.width} wide",
                             "CLIP ViT-L/14" if self.width == 768 else f"a CLIP {self.width} wide")
        with torch.no_grad():
            return self.network(images.float())[:, 0].tolist()


def aesthetic_head(tensors: Mapping[str, torch.Tensor], name: str = "the aesthetic predictor") -> AestheticHead:
    """From "sac+logos+ava1-l14-linearMSE" (`layers.0` … `layers.7`) or "sa_0_4_vit_l_14_linear" (one linear layer).

    Raises ModelFileError.
    """
    state = {key.removeprefix("layers."): value.float() for key, value in tensors.items()}
    network: torch.nn.Module
    if state.keys() == {"weight", "bias"} and state["weight"].ndim == 2:
        width = state["weight"].shape[1]
        network = torch.nn.Linear(width, 1)
    elif "0.weight" in state and state["0.weight"].ndim == 2:
        width = state["0.weight"].shape[1]
        sizes = [width, *(state[f"{i}.weight"].shape[0] for i in (0, 2, 4, 6) if f"{i}.weight" in state)]
        rows: list[torch.nn.Module] = []
        for number, (before, after) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            rows += [torch.nn.Linear(before, after), *([torch.nn.Dropout(DROPS[number])] if number < len(DROPS) else [])]
        network = torch.nn.Sequential(*rows, torch.nn.Linear(sizes[-1], 1))
    else:
        raise ModelFileError(name, "this is no aesthetic predictor", "Use sac+logos+ava1-l14-linearMSE.")
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise ModelFileError(name, "its layers are not those of an aesthetic predictor") from None
    return AestheticHead(network, width)
