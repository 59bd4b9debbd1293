"""The queue as a table: what runs, what waits, what ended, and everything one may do about it."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import gradio as gr

from pipelines import experiments, upscale_job
from pipelines.queue import Job
from pipelines.spec.errors import StudioError
from pipelines.studio import Studio
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page, shown_in

CLICK = """element.addEventListener('click', (e) => {
  const button = e.target.closest('button[data-act]');
  if (button) trigger('select', {act: button.dataset.act, job: button.dataset.job});
})"""
ACTIONS = {"running": ("cancel",), "queued": ("first", "up", "down", "cancel"), "failed": ("retry", "again"),
           "cancelled": ("retry", "again"), "interrupted": ("retry", "again"), "done": ("again",)}
TO_FORM = "use_settings"
SHOWN = 50      # ended jobs beyond these are in the gallery anyway


def build(studio: Studio, page: Page) -> None:
    """Place the tab; it looks again every two seconds while it is on screen."""
    words = studio.words
    with gr.Row(elem_classes="toolbar"):
        pause = gr.Button(words("pause"), size="sm", min_width=110, elem_id="queue-pause")
        cancel_all = gr.Button(words("cancel_all"), size="sm", variant="stop", min_width=110, elem_id="queue-cancel-all")
        clear = gr.Button(words("clear_ended"), size="sm", min_width=110, elem_id="queue-clear")
        again = gr.Button(words("save_again"), size="sm", visible=False, min_width=110, elem_id="queue-save-again")
    told = gr.HTML("", elem_id="queue-told")
    table = gr.HTML("", js_on_load=CLICK, elem_id="queue-table")
    timer = gr.Timer(2, active=False)

    def on_screen(event: gr.SelectData) -> gr.Timer:
        return gr.Timer(active=event.value == words("queue"))

    def look(owner: str) -> list[Any]:
        label = words("resume") if studio.queue.paused else words("pause")
        return [shown(studio, owner), gr.Button(label), gr.Button(visible=bool(studio.archive.unsaved)), troubles(studio)]

    def save_again(owner: str) -> list[Any]:
        try:
            studio.archive.save_again()
        except StudioError as error:
            raise refused(error) from None
        return look(owner)

    def toggle(owner: str) -> list[Any]:
        (studio.queue.resume if studio.queue.paused else studio.queue.pause)()
        return look(owner)

    def act(owner: str, event: gr.EventData) -> list[Any]:
        do(studio, owner, event.act, event.job)
        return look(owner)

    def clear_ended(owner: str) -> list[Any]:
        try:
            studio.queue.clear(owner)
        except StudioError as error:
            raise refused(error) from None
        return look(owner)

    def stop_all(owner: str) -> list[Any]:
        for job in mine(studio, owner):
            if job.status in ("running", "queued"):
                studio.queue.cancel(job.id)
        return look(owner)

    seen = [table, pause, again, told]
    again.click(save_again, page.owner, seen, **SPOKEN)
    timer.tick(look, page.owner, seen, **QUIET)
    page.blocks.load(look, page.owner, seen, **QUIET)
    page.tabs.select(on_screen, None, timer, **SPOKEN)
    page.tabs.select(look, page.owner, seen, **SPOKEN)
    pause.click(toggle, page.owner, seen, **SPOKEN)
    cancel_all.click(stop_all, page.owner, seen, **SPOKEN)
    clear.click(clear_ended, page.owner, seen, **SPOKEN)
    table.select(act, page.owner, seen, **SPOKEN)
    page.later.append(lambda: table.select(to_form(studio, page), page.owner, page.targets, **SPOKEN))


def troubles(studio: Studio) -> str:
    """What the visitor should know of the queue and the disk, one line each; "" when all is well."""
    words, lines = studio.words, []
    if studio.queue.paused:
        lines.append(words("queue_paused") if studio.queue.paused == "paused" else studio.queue.paused)
    if studio.queue.volatile:
        lines.append(studio.queue.volatile)
    if studio.archive.unsaved:
        lines.append(words("unsaved_pictures", count=len(studio.archive.unsaved)))
    return "".join(f'<p class="trouble">{html.escape(line)}</p>' for line in lines)


def mine(studio: Studio, owner: str) -> list[Job]:
    """Jobs of this visitor; the person at the machine itself (no login asked) sees all of them."""
    jobs = studio.queue.jobs()
    return jobs if not studio.settings.exposed else [j for j in jobs if j.owner == owner]


def do(studio: Studio, owner: str, act: str, job_id: str) -> None:
    """One button of the table; another visitor's job is left alone. *Again* is another picture by the same settings."""
    jobs = {j.id: j for j in mine(studio, owner)}
    if job_id not in jobs or act == TO_FORM:
        return
    try:
        if act in ("first", "up", "down"):
            waiting = [j.id for j in studio.queue.jobs() if j.status == "queued"]
            at = waiting.index(job_id)
            studio.queue.move(job_id, {"first": 0, "up": max(0, at - 1), "down": at + 1}[act])
        elif act == "again":
            if not jobs[job_id].payload:        # what a payload asks for would only be made once more as it was
                studio.submit(jobs[job_id].request.undrawn(), owner=owner, kind=jobs[job_id].kind)
        else:
            {"cancel": studio.queue.cancel, "retry": studio.queue.retry}[act](job_id)
    except StudioError as error:
        raise refused(error) from None


def to_form(studio: Studio, page: Page) -> Callable[..., list[Any]]:
    """Hands the settings of a job of the table to the tab that shows it, or to that for its request."""

    def hand(owner: str, event: gr.EventData) -> list[Any]:
        job = next((j for j in mine(studio, owner) if j.id == event.job), None)
        return page.hand_over(job.request, shown_in(job)) if job and event.act == TO_FORM else page.stay()

    return hand


def shown(studio: Studio, owner: str) -> str:
    words = studio.words
    jobs = mine(studio, owner)
    waiting = [j for j in jobs if j.status in ("running", "queued")]
    since = studio.queue.cleared(owner)
    ended = sorted((j for j in jobs if j.status.ended and j.ended > since), key=lambda j: j.created, reverse=True)[:SHOWN]
    if not (waiting or ended):
        return f'<div class="stage empty"><p>{html.escape(words("queue_empty"))}</p></div>'
    heads = "".join(f'<th class="{c}">{html.escape(words(w)) if w else ""}</th>' for w, c in
                    (("", "thumb"), ("status", ""), ("prompt", ""), ("pictures", ""), ("model", "wide"), ("sampler", "wide"),
                     ("actions", "")))
    return f'<table class="jobs"><tr>{heads}</tr>{"".join(_row(studio, j) for j in [*waiting, *ended])}</table>'


def _row(studio: Studio, job: Job) -> str:
    words, request = studio.words, job.request
    status = words("status_" + job.status)
    if job.status == "running":
        now = studio.queue.watch(job.id)
        status += f" {now.fraction:.0%}" + (f" · {words('eta')} {clock(now.eta_s)}" if now.eta_s is not None else "")
    acts = [a for a in ACTIONS.get(job.status, ()) if a != "again" or not job.payload]
    buttons = "".join(f'<button type="button" data-act="{a}" data-job="{job.id}">{html.escape(words(a))}</button>'
                      for a in ([TO_FORM] if job.kind != upscale_job.KIND else []) + acts)
    why = f'<br><small class="error">{html.escape(job.error)}</small>' if job.error else ""
    what = (request.prompt[:200], request.model, f"{request.sampler} · {request.steps}")
    if job.kind == upscale_job.KIND:
        name, how = upscale_job.described(job)
        what = (f"{words('upscale')}: {name}", how, "")
    elif job.kind == experiments.KIND and (size := experiments.described(job)):
        what = (f"{words('grid_job', size=size)}: {what[0]}", *what[1:])
    cells = ((picture(studio, job), "thumb"), (html.escape(status) + why, ""), (html.escape(what[0]), "prompt-cell"),
             (f"{len(job.finished)}/{job.count}", ""), (html.escape(what[1]), "wide"),
             (html.escape(what[2]), "wide"), (buttons, "acts"))
    return "<tr>" + "".join(f'<td class="{c}">{text}</td>' for text, c in cells) + "</tr>"


def picture(studio: Studio, job: Job) -> str:
    """A small copy of the newest picture that the job has made and that is still there; of a running one what it paints."""
    for index in sorted(job.files, reverse=True)[:SHOWN]:
        with suppress(StudioError):
            source = "/gradio_api/file=" + quote(str(studio.archive.thumbnail(job.files[index])))
            return f'<img alt="" loading="lazy" src="{html.escape(source, quote=True)}">'
    preview = studio.queue.watch(job.id).preview if job.status == "running" else None
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(preview).decode()}">' if preview else ""


def clock(seconds: float) -> str:
    """75 → "1:15", 9.4 → "9 s"."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}" if whole >= 60 else f"{whole} s"
