"""The API asked over HTTP: what comes back, in which shape, and what happens to the job behind it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

import app
from pipelines import settings
from pipelines.api.routes import CONTROLNET, LISTS, REFRESH, answered, routes
from pipelines.metadata import read
from pipelines.queue import jobs
from pipelines.samplers import SAMPLERS, SCHEDULES
from pipelines.spec.errors import StorageError
from pipelines.spec.request import GenerationRequest
from tests.api.conftest import Client, coded


def test_pictures_come_back_with_what_made_them_and_are_kept(client, studio):
    made, info = client.painted(prompt="a cat", seed=41, n_iter=2, styles=[], eta=0.5)
    assert [Image.open(io.BytesIO(one)).size for one in made] == [(64, 64)] * 2
    assert [read(one).full.seed for one in made] == info["all_seeds"] == [41, 42] and info["seed"] == 41
    assert info["all_prompts"] == ["a cat"] * 2 and info["index_of_first_image"] == 0 and info["sd_model_hash"] == "0123456789"
    assert [read(one).infotext for one in made] == info["infotexts"] and "Seed: 42" in info["infotexts"][1]
    assert (info["ignored"], info["notes"], info["status"]) == (["eta"], ["Painted flat."], "done")
    assert [studio.archive.open(file).read_bytes() for file in info["files"]] == made


def test_a_picture_of_img2img_and_its_echo(client):
    body = {"init_images": [coded()], "mask": coded(colour="white"), "denoising_strength": 0.4, "width": 64, "height": 64}
    answer = client.post("img2img", **body)
    assert answer["parameters"] == {**body, "init_images": None, "mask": None} and len(answer["images"]) == 1
    assert json.loads(answer["info"])["denoising_strength"] == 0.4
    assert client.post("img2img", **body, include_init_images=True)["parameters"]["init_images"] == body["init_images"]
    assert client.post("img2img", **body, send_images=False)["images"] == []


def test_an_answer_is_png_whatever_is_kept(opened):
    studio = opened(output_format="jpeg")
    with TestClient(Starlette(routes=routes(studio))) as asked:
        made, info = Client(asked).painted(prompt="a café", seed=3)
    assert info["files"][0].endswith(".jpg") and made[0].startswith(b"\x89PNG") and read(made[0]).full.prompt == "a café"


def test_half_a_character_travels(client):
    made, info = client.painted(prompt="half \ud800", seed=1)
    assert info["prompt"] == read(made[0]).full.prompt == "half \ud800"


@pytest.mark.parametrize(("body", "where", "line"), [
    ({"sampler_name": "Eulr"}, "body.sampler_name", "Euler"), ({"sampler_name": "Restart"}, "body.sampler_name", "DPM++ 2M SDE"),
    ({"scheduler": "none such"}, "body.scheduler", "not found"), ({"prompt": "<lora:missing:1>"}, "body.prompt", "LoRA"),
    ({"override_settings": {"sd_vae": "missing"}}, "body.override_settings.sd_vae", "VAE: missing - not found"),
    ({"width": 72}, "body.width", "needs a multiple of 16"),
    ({"enable_hr": True, "hr_upscaler": "4x-none"}, "body.hr_upscaler", "found"),
    ({"alwayson_scripts": {"controlnet": {"args": [{"model": "missing", "image": coded()}]}}},
     "body.alwayson_scripts.controlnet.args", "Control model: missing - not found"),
    ({"alwayson_scripts": {"controlnet": {"args": [
        {"enabled": False}, {"model": "mini/canny", "guidance_start": 1, "guidance_end": 0, "image": coded()}]}}},
     "body.alwayson_scripts.controlnet.args.1", "Control start of unit 1"),
    ({"styles": ["none such"]}, "body.styles", "not found")],
    ids=lambda value: str(value)[:40])
def test_what_the_studio_refuses_is_named_at_its_field_and_nothing_is_queued(client, studio, body, where, line):
    said = client.refused(**{"width": 64, "height": 64, **body})
    assert list(said) == [where] and line in said[where]
    assert not studio.queue.jobs()


@pytest.mark.parametrize(("data", "line"), [
    (b"{", "not readable JSON"), (b"[]", "not a JSON object"), (b"7", "not a JSON object"), (b"\xff", "not readable"),
    (b"[" * 100_000, "not readable"), (b'{"steps": NaN}', "not a number that JSON has"), (b'{"eta": 1e999}', "JSON has"),
    (b'{"eta": -Infinity}', "JSON has"), (b'{"steps": ' + b"9" * 5000 + b"}", "not readable")], ids=lambda value: str(value)[:20])
def test_a_body_that_is_none(client, data, line):
    answer = client.asked.post("/sdapi/v1/txt2img", content=data)
    assert answer.status_code == 422 and line in answer.json()["detail"][0]["msg"]


def waited(asked: Any) -> Any:
    """What `asked()` gives, once it is true."""
    until = time.monotonic() + 60
    while not (found := asked()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


@pytest.fixture
def painting(client, studio):
    """Begins a job of two pictures that stands at its first step; `done()` lets it go on and gives the answer."""
    studio.gate.clear()
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(client.post("txt2img", width=64, height=64, n_iter=2, seed=8)))
    thread.start()
    assert studio.reached.wait(60)

    def done() -> tuple[int, dict[str, Any]]:
        studio.gate.set()
        thread.join(60)
        return len(answers[0]["images"]), json.loads(answers[0]["info"])

    yield done
    studio.gate.set()
    thread.join(60)


def test_progress_is_told_while_it_lasts(client, painting):
    now = client.get("progress")
    assert 0 < now["progress"] < 1 and now["eta_relative"] >= 0 and now["current_task"]
    state = now["state"]
    assert (state["job_count"], state["job_no"], state["sampling_step"], state["sampling_steps"]) == (2, 0, 1, 2)
    assert Image.open(io.BytesIO(base64.b64decode(now["current_image"]))).format == "PNG"
    assert client.get("progress?skip_current_image=true")["current_image"] is None
    assert painting()[0] == 2
    idle = client.get("progress")
    assert idle["progress"] == 0 and idle["state"]["job_count"] == 0 and idle["current_image"] is None


def test_interrupt_stops_and_keeps_what_was_finished(client, studio, painting):
    assert client.post("interrupt") == {}
    count, info = painting()
    assert count == 0 and info["status"] == "cancelled" and info["all_seeds"] == [] and not studio.archive.items()


def test_skip_gives_up_one_picture(client, painting):
    assert client.post("skip") is None
    count, info = painting()
    assert count == 1 and info["all_seeds"] == [9]


def test_nothing_of_others_is_seen_or_stopped(client, studio, painting):
    [job] = studio.queue.jobs()
    with TestClient(Starlette(routes=routes(studio)), client=("192.0.2.7", 1)) as stranger:
        other = Client(stranger)
        assert other.get("progress")["state"]["job_count"] == 0
        assert other.post("interrupt") == {} and other.post("skip") is None
    assert job.owner == "api testclient" and painting()[0] == 2
    assert client.post("interrupt") == {}       # nothing is going: nothing happens


def test_a_job_of_the_page_is_not_the_apis(client, studio):
    studio.gate.clear()
    job = studio.submit(GenerationRequest(width=64, height=64), owner="a visitor")
    assert studio.reached.wait(60)
    client.post("interrupt")
    assert client.get("progress")["progress"] == 0
    studio.gate.set()
    assert studio.queue.wait(job, 60).status == "done"


def test_a_client_that_goes_away_costs_no_picture_and_may_ask_again(client, studio, painting):
    """The same body under the same task id is the same job; another body is another one."""
    body = {"width": 64, "height": 64, "force_task_id": "task(1)"}
    painting()
    first, second = client.painted(**body), client.painted(**body)
    assert first == second and len(studio.queue.jobs()) == 2
    assert client.painted(**body, seed=5) != first and len(studio.queue.jobs()) == 3


def test_a_full_queue_is_503_and_says_when_to_come_back(client, studio, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_WAITING", 0)
    answer = client.asked.post("/sdapi/v1/txt2img", json={"width": 64, "height": 64})
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    assert "queue is full (0)" in answer.json()["detail"] == answer.json()["errors"]


def test_a_job_that_fails_is_503_with_its_line_and_says_what_is_kept(client, studio):
    studio.breaks = 1
    answer = client.post("txt2img", 503, width=64, height=64, n_iter=2)
    assert "Memory: the picture did not fit" in answer["detail"] and "1 finished pictures are in the gallery" in answer["detail"]
    assert len(studio.archive.items()) == 1


def test_who_waits_when_the_studio_closes_is_told_so():
    async def closed() -> Any:
        waiting = asyncio.create_task(answered(asyncio.sleep(60)))
        await asyncio.sleep(0)
        waiting.cancel()
        return await waiting

    answer = asyncio.run(closed())
    assert answer.status_code == 503 and "the studio was closed" in json.loads(answer.body)["detail"]


def test_a_picture_thrown_away_meanwhile_is_left_out(client, studio, monkeypatch):
    ended = studio.queue.watch

    def watch(job: str) -> Any:
        now = ended(job)
        if now.ended and len(studio.archive.items()) == 2:
            studio.archive.trash(now.files[0])
        return now

    monkeypatch.setattr(studio.queue, "watch", watch)
    made, info = client.painted(n_iter=2, seed=1)
    assert len(made) == 1 and info["all_seeds"] == [2]


def test_there_is_none_without_the_flag(opened):
    assert app.api_of(opened(api=False)) == () and settings.load({}, {}).settings.api is False


# -- options and lists -------------------------------------------------------------------------------------------------


def test_options_hold_for_bodies_that_say_nothing_else(client):
    before = client.get("options")
    assert before["sd_model_checkpoint"].startswith("mini") and before["CLIP_stop_at_last_layers"] == 1
    whole = {**before, "CLIP_stop_at_last_layers": 2, "outdir_samples": "/tmp", "sd_checkpoint_hash": "x"}
    assert client.post("options", **whole) is None
    assert client.get("options") == {**before, "CLIP_stop_at_last_layers": 2}
    assert client.painted()[1]["clip_skip"] == 2
    assert client.painted(override_settings={"CLIP_stop_at_last_layers": 1})[1]["clip_skip"] == 1


def test_options_that_cannot_be_change_nothing(client):
    before = client.get("options")
    said = client.refused("options", sd_model_checkpoint="no such", CLIP_stop_at_last_layers=99, sd_vae="none such")
    assert list(said) == ["body.CLIP_stop_at_last_layers", "body.sd_model_checkpoint", "body.sd_vae"]
    assert client.get("options") == before and client.post("options") is None


def test_every_list_is_answered_and_tells_no_folder(client, studio):
    for name in LISTS:
        assert str(studio.settings.home_dir) not in json.dumps(client.get(name)) and "models/" not in json.dumps(client.get(name))
    for name in CONTROLNET:
        assert client.asked.get(f"/controlnet/{name}").status_code == 200


def test_names_of_the_lists_may_be_sent_back(client, studio):
    assert all(SAMPLERS.get(one["name"]).name == one["name"] for one in client.get("samplers"))
    for one in client.get("schedulers"):
        assert SCHEDULES.get(one["name"]).name == SCHEDULES.get(one["label"]).name == one["label"]
    for one in client.get("sd-models"):
        assert studio.model(one["title"]).name == one["model_name"]
    names = [one["name"] for one in client.get("upscalers")]
    assert names[0] == "None" and all(studio.upscalers.find(name).name == name for name in names[1:])
    assert {"Latent", "Latent (nearest-exact)"} <= {one["name"] for one in client.get("latent-upscale-modes")}
    types = client.asked.get("/controlnet/control_types").json()["control_types"]
    models = client.asked.get("/controlnet/model_list").json()["model_list"]
    assert "mini/canny" in models and set(types["All"]["model_list"]) == {"None", *models}
    assert types["Canny"]["default_option"] == "canny" and types["Canny"]["default_model"] in models


def test_styles_are_listed_and_laid_over(client, studio):
    studio.styles.save("Snowy", "in the snow", "rain")
    assert {"name": "Snowy", "prompt": "in the snow", "negative_prompt": "rain"} in client.get("prompt-styles")
    assert client.post("refresh-checkpoints") is None


def test_flags_hold_no_secret_and_memory_is_this_machines(opened):
    studio = opened(auth="me:hidden")
    with TestClient(Starlette(routes=routes(studio))) as asked:
        flags, memory = Client(asked).get("cmd-flags"), Client(asked).get("memory")
    assert flags["api"] is True and flags["device"] == "cpu" and "hidden" not in json.dumps(flags)
    assert 0 < memory["ram"]["free"] < memory["ram"]["total"] and memory["cuda"] == {"error": "unavailable"}


# -- pictures looked at and made larger --------------------------------------------------------------------------------


def test_png_info_reads_what_was_painted(client):
    [made], info = client.painted(prompt="a cat", seed=6)
    said = client.post("png-info", image="data:image/png;base64," + base64.b64encode(made).decode())
    assert said["info"] == info["infotexts"][0] == said["items"]["parameters"]
    assert said["parameters"]["Prompt"] == "a cat" and said["parameters"]["Seed"] == "6" and said["parameters"]["Size-1"] == "64"
    assert client.post("png-info", image=coded()) == {"info": "", "items": {}, "parameters": {}}
    assert list(client.refused("png-info", image="AAAA")) == ["body.image"] == list(client.refused("png-info"))


def test_a_picture_is_made_larger_and_keeps_what_made_it(client, studio):
    [made], _ = client.painted(prompt="a cat", seed=6)
    body = {"image": base64.b64encode(made).decode(), "upscaling_resize": 3, "upscaler_1": "Nearest", "upscaler_2": "None",
            "show_extras_results": True, "upscale_first": True, "gfpgan_visibility": 0}
    answer = client.post("extra-single-image", **body)
    larger = base64.b64decode(answer["image"])
    assert Image.open(io.BytesIO(larger)).size == (192, 192) and read(larger).full.seed == 6
    assert answer["ignored"] == ["upscale_first"] and len(studio.archive.items()) == 2
    assert Image.open(io.BytesIO(base64.b64decode(client.post("extra-single-image", **{**body, "upscaler_1": "None"})["image"]))
                      ).size == (64, 64)


def test_several_are_made_to_an_exact_size(client):
    pictures = [{"data": coded((40, 30), colour), "name": f"{colour}.png"} for colour in ("red", "blue")]
    answer = client.post("extra-batch-images", imageList=pictures, resize_mode=1, upscaling_resize_w=80, upscaling_resize_h=80,
                         upscaler_1="Lanczos", upscaling_crop=True)
    made = [Image.open(io.BytesIO(base64.b64decode(one))) for one in answer["images"]]
    assert [one.size for one in made] == [(80, 80)] * 2 and [one.getpixel((40, 40)) for one in made] == [(255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize(("name", "body", "where"), [
    ("extra-single-image", {}, "image"), ("extra-single-image", {"image": "x"}, "image"),
    ("extra-single-image", {"image": base64.b64encode(b"GIF89a....").decode()}, ""),
    ("extra-single-image", {"image": coded(), "upscaler_1": "4x-none"}, "upscaler_1"),
    ("extra-single-image", {"image": coded(), "upscaling_resize": 9}, "upscaling_resize"),
    ("extra-single-image", {"image": coded(), "resize_mode": 2}, "resize_mode"),
    ("extra-single-image", {"image": coded(), "upscaler_1": 5}, "upscaler_1"),
    ("extra-single-image", {"image": coded(), "resize_mode": 1, "upscaling_resize_h": 20_000}, "upscaling_resize_h"),
    ("extra-single-image", {"image": coded(), "codeformer_visibility": 1}, "codeformer_visibility"),
    ("extra-batch-images", {}, "imageList"), ("extra-batch-images", {"imageList": [1]}, "imageList"),
    ("extra-batch-images", {"imageList": [{"data": "x"}]}, "imageList.0.data")], ids=lambda value: str(value)[:40])
def test_what_cannot_be_made_larger_is_named(client, studio, name, body, where):
    [address] = client.refused(name, **body)
    assert address == f"body.{where}".rstrip(".") and not studio.queue.jobs()


def test_a_disk_that_refuses_is_503(client, studio, monkeypatch):
    def full(_: Any) -> str:
        raise StorageError("Picture: it could not be kept.")

    monkeypatch.setattr(studio.inputs, "keep", full)       # `keep_file` calls it
    assert client.post("img2img", 503, init_images=[coded()])["error"] == "StorageError"
    assert client.post("extra-single-image", 503, image=coded())["detail"] == "Picture: it could not be kept."


def test_what_changes_something_is_only_posted(client):
    names = ("txt2img", "img2img", "interrupt", "skip", "png-info", "extra-single-image", "extra-batch-images", *REFRESH)
    assert {client.asked.get(f"/sdapi/v1/{name}").status_code for name in names} == {405}
    assert {client.asked.post(f"/sdapi/v1/{name}", json={}).status_code for name in LISTS} == {405}
    assert client.asked.get("/sdapi/v1/no-such").status_code == 404
    assert client.asked.post("/sdapi/v1/interrogate", json={}).status_code == 404
