"""What *Automatic* means where an upscaler is asked for: one rule for hires fix, tiles, the upscale tab and the command line.

A picture must not depend on which files happen to lie about, so only upscalers that ship, and Lanczos, are ever taken.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType

from pipelines.upscalers.listing import RESAMPLERS

AUTOMATIC = "Automatic"
DRAWN = "mini"
# family -> the upscalers that were made for it, with how far each is meant to enlarge; a larger one reduced again blurs
OWN: Mapping[str, tuple[tuple[float, str], ...]] = MappingProxyType({DRAWN: ((2, "mini-x2"), (math.inf, "mini-x4"))})


def automatic(factor: float, names: Collection[str], family: str = DRAWN) -> str:
    """One of `names`: the family's own that is meant for `factor`, else Lanczos. Without a model a picture counts as mini's."""
    own = next((own for most, own in OWN.get(family, ()) if factor <= most), "")
    return own if own in names else next(iter(RESAMPLERS))
