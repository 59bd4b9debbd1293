"""Whether a checkpoint predicts noise (epsilon) or velocity (v): no header says so for certain, so several signs are read.

In this order, the first that speaks decides:
1. a side-car beside the file, `<stem>.yaml` or `<stem>.json`: `parameterization: "v"` or `"eps"` at its top level or at
   `model.params` (the place in the original configs), or `prediction_type: v_prediction` / `epsilon`;
2. a marker tensor named `v_pred` (its companion `ztsnr` asks for a schedule that ends in pure noise);
3. the file's own `__metadata__`: `modelspec.prediction_type`, then `modelspec.architecture`;
4. the file's name: `768-v`, `v2-1_768`, `vpred`, `v-pred`, `v_prediction` mean v; `512-base`, `epsilon`, `eps` mean epsilon;
5. the family's rule: 2.x is v (its 768 px models and nearly all fine-tunes of them are), all others are epsilon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipelines.families.family import EPSILON, V_PREDICTION, Detected, Shapes

WORDS = {"v": V_PREDICTION, "v_prediction": V_PREDICTION, "v-prediction": V_PREDICTION, "vpred": V_PREDICTION,
         "eps": EPSILON, "epsilon": EPSILON}
V_NAME = re.compile(r"768[-_ ]?v(?![a-z])|v2-[01][-_]768|(?<![a-z])v[-_ ]?pred(iction)?(?![a-z])", re.IGNORECASE)
EPSILON_NAME = re.compile(r"512[-_ ]?base|(?<![a-z])(eps|epsilon)(?![a-z])", re.IGNORECASE)


def told(found: Detected, shapes: Shapes, metadata: Mapping[str, str], stem: str, side_car: Mapping[str, Any]) -> str:
    """The prediction type of `found`, by the order above."""
    from_metadata = metadata.get("modelspec.prediction_type", "").strip().lower()
    signs = (
        _from_side_car(side_car),
        V_PREDICTION if "v_pred" in shapes else "",
        WORDS.get(from_metadata, ""),
        _from_name(metadata.get("modelspec.architecture", "")),
        _from_name(stem),
    )
    return next((sign for sign in signs if sign), found.prediction)


def _from_side_car(side_car: Mapping[str, Any]) -> str:
    model = side_car.get("model")
    params = model.get("params") if isinstance(model, Mapping) else None
    for place in (side_car, params):
        if not isinstance(place, Mapping):
            continue
        for key in ("parameterization", "prediction_type"):
            word = WORDS.get(str(place.get(key, "")).strip().lower())
            if word:
                return word
    return ""


def _from_name(name: str) -> str:
    if V_NAME.search(name):
        return V_PREDICTION
    return EPSILON if EPSILON_NAME.search(name) else ""
