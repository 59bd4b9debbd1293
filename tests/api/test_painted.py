"""One picture by mini over HTTP: the same, pixel for pixel, as the studio paints for anybody else."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image, ImageChops
from starlette.applications import Starlette
from starlette.testclient import TestClient

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.api.routes import routes
from pipelines.metadata import read
from pipelines.studio import Studio
from tests.api.conftest import Client, coded


def test_a_picture_is_painted_masked_and_painted_again_from_its_file(tmp_path: Path) -> None:
    with Studio.open(settings.checked({"data_dir": tmp_path, "device": "cpu"}), Hooks()) as studio, \
            TestClient(Starlette(routes=routes(studio))) as asked:
        client = Client(asked)
        [made], info = client.painted(prompt="a red car", steps=3, seed=5, sampler_name="Euler a", width=128, height=128)
        request = read(made).full
        assert request and (request.prompt, request.sampler, request.steps, info["seed"]) == ("a red car", "Euler a", 3, 5)
        [again] = [finished.image for finished in studio.engine.run(request, lambda _: None)]
        assert not ImageChops.difference(again.convert("RGB"), Image.open(io.BytesIO(made)).convert("RGB")).getbbox()

        half = Image.new("L", (128, 128))
        half.paste(255, (64, 0, 128, 128))
        data = io.BytesIO()
        half.save(data, "PNG")
        changed = client.painted("img2img", init_images=[coded((128, 128), "teal")], denoising_strength=1, steps=3, mask_blur=0,
                                 mask=base64.b64encode(data.getvalue()).decode(), inpainting_fill=1, width=128, height=128)[0]
        picture = Image.open(io.BytesIO(changed[0])).convert("RGB")
        assert picture.crop((0, 0, 64, 128)).getcolors() == [(64 * 128, (0, 128, 128))] and len(picture.getcolors(99999) or ()) > 99
