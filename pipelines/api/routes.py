"""The addresses: JSON in, JSON out, every job through the studio's own queue. A client that goes away costs no picture.

A handler is a plain function that runs in a thread; whoever waits for a job waits without one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from pipelines import upscale_job
from pipelines.api import answers, bodies, extras, lists
from pipelines.api.fields import OVERRIDES
from pipelines.api.pictures import decoded
from pipelines.api.reading import BadBody, Reading
from pipelines.metadata import parse_infotext, read, read_texts
from pipelines.queue import Progress, QueueFull, Status
from pipelines.spec.errors import FieldError, ImageFileError, ModelFileError, RequestError, StudioError
from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from pipelines.studio import Studio

LOOK_S = 0.2                # seconds between two looks at a job somebody waits for
CLOSED = "Job: the studio was closed before it ended. It is in the queue, as interrupted."
RETRY_S = 10                # what a client is told when the queue is full
OPTIONS = ("sd_model_checkpoint", "sd_vae", "CLIP_stop_at_last_layers")        # what POST /options may change
LISTS: Mapping[str, Callable[[Any], Any]] = {
    "samplers": lists.samplers, "schedulers": lists.schedulers, "sd-models": lists.sd_models, "sd-vae": lists.sd_vae,
    "loras": lists.loras, "embeddings": lists.embeddings, "upscalers": lists.upscalers, "scripts": lists.scripts,
    "latent-upscale-modes": lists.latent_upscale_modes, "prompt-styles": lists.prompt_styles, "cmd-flags": lists.cmd_flags,
    "memory": lists.memory, "face-restorers": lists.face_restorers, "hypernetworks": lists.nothing,
    "realesrgan-models": lists.nothing}
CONTROLNET: Mapping[str, Callable[[Any], Any]] = {
    "version": lists.controlnet_version, "model_list": lists.controlnet_models, "module_list": lists.controlnet_modules,
    "control_types": lists.control_types}
REFRESH = ("refresh-checkpoints", "refresh-vae", "refresh-loras", "refresh-embeddings")
Act = Callable[[Mapping[str, Any], str], Awaitable[Any]]


class Failed(StudioError):
    """A job that ended without all its pictures, by no field of the body."""


def routes(studio: Studio) -> list[BaseRoute]:
    """What `--api` adds to the page's own addresses."""
    api = Api(studio)
    posts: Mapping[str, Act] = {
        "txt2img": partial(api.paint, from_picture=False), "img2img": partial(api.paint, from_picture=True),
        "extra-single-image": partial(api.enlarge, several=False), "extra-batch-images": partial(api.enlarge, several=True),
        "png-info": threaded(lambda body, _: png_info(body)), "options": threaded(lambda body, _: api.choose(body)),
        "interrupt": threaded(lambda _, owner: api.stop(owner)), "skip": threaded(lambda _, owner: api.skip(owner)),
        **{name: threaded(lambda *_: studio.library.scan()) for name in REFRESH}}
    gets = {name: listing(studio, make) for name, make in LISTS.items()}
    gets |= {"options": got(lambda _: api.options()), "progress": got(api.progress)}
    named = [Route(f"/{name}", get, methods=["GET"]) for name, get in gets.items()]
    named += [Route(f"/{name}", post(act), methods=["POST"]) for name, act in posts.items()]
    units = [Route(f"/{name}", listing(studio, make), methods=["GET"]) for name, make in CONTROLNET.items()]
    return [Mount("/sdapi/v1", routes=named), Mount("/controlnet", routes=units)]


class Api:
    """chosen: what POST /options has set for bodies that say nothing else, by path.   open: jobs that clients wait for, with their
    owners. An owner is an address: one machine's clients see and stop their own jobs, not each other's."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.chosen: dict[str, Any] = {}
        self.open: dict[str, str] = {}

    async def paint(self, body: Mapping[str, Any], owner: str, from_picture: bool) -> dict[str, Any]:
        """txt2img and img2img."""
        asked = await run_sync(bodies.asked, self.studio, body, self.chosen, from_picture)
        job = await run_sync(self._submitted, asked, owner, key_of(body))
        progress = await self._ended(job, owner)
        made = await run_sync(answers.kept, self.studio, progress.files)
        return await run_sync(answers.painted, made, body, asked.ignored, progress)

    def _submitted(self, asked: bodies.Asked, owner: str, key: str | None) -> str:
        try:
            return self.studio.submit(asked.request, owner, key)
        except (FieldError, RequestError, ModelFileError) as error:
            raise asked.reading.placed(error) from None

    async def enlarge(self, body: Mapping[str, Any], owner: str, several: bool) -> dict[str, Any]:
        """extra-single-image and extra-batch-images."""
        work, ignored = await run_sync(extras.asked, self.studio, body, several)
        progress = await self._ended(await run_sync(upscale_job.submit, self.studio, work, owner), owner)
        images = await run_sync(answers.images, await run_sync(answers.kept, self.studio, progress.files))
        told = {"html_info": "", "ignored": list(ignored), "notes": list(progress.notes)}
        return {"images": images} | told if several else {"image": images[0] if images else None} | told

    async def _ended(self, job: str, owner: str) -> Progress:
        """The job at its end; stopped by somebody it has the pictures that were finished. Raises Failed."""
        self.open[job] = owner
        try:
            while not (now := await run_sync(self.studio.queue.watch, job)).ended:
                await anyio.sleep(LOOK_S)
        finally:
            self.open.pop(job, None)
        if now.status in (Status.FAILED, Status.INTERRUPTED):
            kept = f" {len(now.files)} finished pictures are in the gallery." if now.files else ""
            raise Failed((now.error or CLOSED) + kept)
        return now

    def progress(self, request: Request) -> dict[str, Any]:
        job = self._going(owner_of(request))
        wanted = request.query_params.get("skip_current_image", "").lower() not in ("true", "1")
        return answers.standing(self.studio.queue.watch(job) if job else None, wanted)

    def _going(self, owner: str) -> str | None:
        """Of the owner's open jobs the one that runs, else the first that waits."""
        mine = [job for job, of in list(self.open.items()) if of == owner]
        return next((job for job in mine if self.studio.queue.watch(job).status is Status.RUNNING), mine[0] if mine else None)

    def stop(self, owner: str) -> dict[str, Any]:
        if job := self._going(owner):
            self.studio.queue.cancel(job)
        return {}

    def skip(self, owner: str) -> None:
        if job := self._going(owner):
            self.studio.queue.skip(job)

    def options(self) -> dict[str, Any]:
        now = GenerationRequest().merged(self.chosen)
        model = self.studio.model(now.model)
        return {"sd_model_checkpoint": model.title, "sd_checkpoint_hash": lists.digest(model), "sd_vae": now.vae,
                "CLIP_stop_at_last_layers": now.clip_skip, "samples_format": self.studio.settings.output_format}

    def choose(self, body: Mapping[str, Any]) -> None:
        """POST /options; what is not among OPTIONS is left alone, as clients write back all they have read. Raises BadBody."""
        reading = Reading()
        for key in OPTIONS:
            reading.take(OVERRIDES[key], body.get(key), key)
        values = reading.values
        if "model" in values:
            with reading.at("sd_model_checkpoint"):
                values["model"] = self.studio.model(values["model"]).name
        if values.get("vae", "Automatic") != "Automatic":
            with reading.at("sd_vae"):
                values["vae"] = self.studio.library.find_vae(values["vae"]).name
        reading.check()
        self.chosen = self.chosen | values


def png_info(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a picture says of itself. Raises FieldError, ImageFileError."""
    data = decoded(body.get("image"), "image")
    said = read(data)
    return {"info": said.infotext, "items": dict(read_texts(data).pairs),
            "parameters": parse_infotext(said.infotext) if said.infotext else {}}


def key_of(body: Mapping[str, Any]) -> str | None:
    """The same body under the same `force_task_id` is the same job: a client that asks again after a timeout gets its pictures."""
    task = body.get("force_task_id")
    return f"{task}:{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}" if task else None


# -- JSON over HTTP ----------------------------------------------------------------------------------------------------


def threaded(act: Callable[[Mapping[str, Any], str], Any]) -> Act:
    async def acting(body: Mapping[str, Any], owner: str) -> Any:
        return await run_sync(act, body, owner)

    return acting


def post(act: Act) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answered(act_on(request, act))

    return endpoint


async def act_on(request: Request, act: Act) -> Any:
    return await act(parsed(await request.body()), owner_of(request))


def got(make: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answered(run_sync(make, request))

    return endpoint


def listing(studio: Studio, make: Callable[[Studio], Any]) -> Callable[[Request], Awaitable[Response]]:
    return got(lambda _: make(studio))


async def answered(answer: Awaitable[Any]) -> Response:
    """200 with what came of it; 422 for what the body says, 503 for what the studio cannot do now."""
    try:
        return in_json(await answer)
    except BadBody as error:
        return in_json({"detail": [detail(where, line) for where, line in error.refusals]}, 422)
    except (FieldError, ImageFileError) as error:       # of png-info
        return in_json({"detail": [detail(("image",), str(error))]}, 422)
    except asyncio.CancelledError:      # the studio closes, and uvicorn lets nobody wait for longer
        return in_json(trouble(Failed(CLOSED)), 503)
    except StudioError as error:
        return in_json(trouble(error), 503, {"retry-after": str(RETRY_S)} if isinstance(error, QueueFull) else None)


def detail(where: tuple[str | int, ...], line: str) -> dict[str, Any]:
    return {"loc": ["body", *where], "msg": line, "type": "value_error"}


def trouble(error: StudioError) -> dict[str, Any]:
    return {"error": type(error).__name__, "detail": str(error), "body": "", "errors": str(error)}


def in_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """ASCII, so that a lone surrogate of a prompt passes too."""
    return Response(json.dumps(content), status, headers, "application/json")


def parsed(data: bytes) -> Mapping[str, Any]:
    """The body; an empty one says nothing. Raises BadBody."""
    def finite(text: str) -> float:
        if math.isfinite(number := float(text)):
            return number
        raise FieldError("Body", text, "not a number that JSON has")

    try:
        body = json.loads(data, parse_float=finite, parse_constant=finite) if data.strip() else {}
    except FieldError as error:
        raise BadBody([((), str(error))]) from None
    except (ValueError, RecursionError):
        raise BadBody([((), "Body: not readable JSON.")]) from None
    if not isinstance(body, dict):
        raise BadBody([((), "Body: not a JSON object.")])
    return body


def owner_of(request: Request) -> str:
    return f"api {request.client.host if request.client else ''}"
