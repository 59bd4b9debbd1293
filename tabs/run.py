"""The one Generate wiring: submit, watch, preview, skip, cancel. Jobs belong to the queue; a page only looks at them.

Which job a tab shows follows from its owner and its kind alone (the running one, else the next queued, else the newest),
so a reload or a second page finds it without remembering anything but who it is.
"""

from __future__ import annotations

import base64
import html
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import experiments, reproduce, upscale_job
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs import changes
from tabs.form import Form, refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import OWN_KIND, shown_in
from tabs.queue import clock, troubles

BUSY, IDLE = 0.4, 5.0       # seconds between two looks at the queue
GO = 1.0                    # seconds between a picture and the next one that is painted without end
OPEN = ("queued", "running")
OTHERS = (experiments.KIND, reproduce.KIND, upscale_job.KIND)       # jobs that tabs of their own show
SHOWN = 60                  # newest results on the easel; all of them are in the gallery


@dataclass(frozen=True)
class RunView:
    """The components of a run. `stage` shows progress and preview, `results` the finished pictures, `looked_at` the name of
    the chosen one ("" for the newest), `after` what to do with them."""

    generate: gr.Button
    skip: gr.Button
    interrupt: gr.Button
    forever: gr.Checkbox
    stage: gr.HTML
    results: gr.Gallery
    looked_at: gr.State
    verdicts: gr.HTML
    after: gr.Row


class Runner:
    """One a tab. `owner` is the visitor (kept in the browser), so friends on a link do not see each other's jobs."""

    def __init__(self, studio: Studio, form: Form, view: RunView, owner: gr.BrowserState) -> None:
        self._studio, self._form, self._view, self._owner = studio, form, view, owner
        self._timer = gr.Timer(IDLE)
        self._seen = gr.State("")       # what the page shows already: job, status and number of pictures
        self._next = gr.State("")       # the ended job after which the form is queued again, while that is to go on forever,
        self._go = gr.Timer(GO, active=False)       # by this

    @property
    def _looked(self) -> list[Any]:
        view = self._view
        shown = [view.stage, view.results, view.looked_at, view.verdicts, view.after]
        return [*shown, view.skip, view.interrupt, self._timer, self._seen, view.forever, self._next, self._go]

    @property
    def _asked(self) -> list[Any]:
        return [self._owner, self._seen, self._view.forever]

    def wire(self, page: gr.Blocks) -> None:
        view = self._view
        self.submit_on(view.generate.click, self._form.read, self._form.whole)
        self._timer.tick(self._look, self._asked, self._looked, **QUIET)
        page.load(self._arrive, [self._owner], [self._owner], **QUIET).then(
            self._look, self._asked, self._looked, **QUIET)
        view.interrupt.click(self._on_open(self._studio.queue.cancel), [self._owner], None, **QUIET)
        view.interrupt.click(lambda: False, None, view.forever, **QUIET)
        view.forever.input(self._look, self._asked, self._looked, **QUIET)
        again = self._go.tick(self._again, {self._next, self._owner, *self._form.whole}, [self._go, self._timer], **SPOKEN)
        again.failure(lambda: (False, gr.Timer(active=False)), None, [view.forever, self._go], **QUIET)
        view.skip.click(self._on_open(self._studio.queue.skip), [self._owner], None, **QUIET)

    def submit_on(self, event: Callable[..., Any], request_of: Callable[[Mapping[Component, Any]], GenerationRequest],
                  inputs: set[Component]) -> None:
        """Queue `request_of(inputs)` whenever `event` happens, then look at once."""
        self.queue_on(event, lambda data, owner: self._submit(request_of(data), owner), inputs)

    def _submit(self, request: GenerationRequest, owner: str, key: str | None = None) -> None:
        kind = {"kind": OWN_KIND} if self._form.prefix == OWN_KIND else {}
        self._studio.submit(request, owner=owner, key=key, **kind)

    def _again(self, data: Mapping[Component, Any]) -> tuple[Any, Any]:
        """The form once more with another seed, once after each job, however many pages of this visitor ask for it."""
        after, owner = data[self._next], data[self._owner]
        try:
            if after and owner:
                self._submit(self._form.read(data).undrawn(), owner, f"{self._form.prefix} after {after}")
        except StudioError as error:
            raise refused(error) from None
        return gr.Timer(active=False), gr.Timer(BUSY, active=True)

    def queue_on(self, event: Callable[..., Any], put: Callable[[Mapping[Component, Any], str], object],
                 inputs: set[Component]) -> None:
        """Let `put(inputs, owner)` queue a job whenever `event` happens, then look at once."""

        def submit(data: Mapping[Component, Any]) -> tuple[str, Any]:
            owner = data[self._owner] or uuid.uuid4().hex
            try:
                put(data, owner)
            except StudioError as error:
                raise refused(error) from None
            return owner, gr.Timer(BUSY, active=True)

        # Queued, or the page would show no toast of a refusal.
        event(submit, {*inputs, self._owner}, [self._owner, self._timer], trigger_mode="multiple", show_progress="hidden",
              api_visibility="private").success(
            self._look, self._asked, self._looked, **QUIET)

    def _arrive(self, owner: str) -> str:
        return owner or uuid.uuid4().hex

    def _on_open(self, act: Callable[[str], Any]) -> Callable[[str], None]:
        def handler(owner: str) -> None:
            job = shown(self._mine(owner))
            if job is not None and job.status in OPEN:
                act(job.id)

        return handler

    def _mine(self, owner: str) -> list[Any]:
        """The visitor's jobs that this tab may show."""
        return [j for j in self._studio.queue.jobs() if j.owner == owner and j.kind not in OTHERS
                and shown_in(j) == self._form.prefix]

    def _pictures(self, mine: Sequence[Any], job: Any, files: Sequence[str], forever: bool = False) -> Sequence[str]:
        """What lies on the easel: the job's own pictures; of one that ended without any, and where one follows another without
        end, those that lay there before."""
        if files or (job.status in OPEN and not forever):
            return files
        painted = max((j for j in mine if j.finished), key=lambda j: j.created, default=None)
        return self._studio.queue.watch(painted.id).files if painted else ()

    def _views(self, files: Sequence[str]) -> list[str]:
        """What a browser shows of the newest of these that are still there; too large a one would stall it."""
        found = []
        for file in files[-SHOWN:]:
            with suppress(StudioError):         # thrown away since
                found.append(str(self._studio.archive.view(file)))
        return found

    def _look(self, owner: str, seen: str, forever: bool = False) -> list[Any]:
        mine = self._mine(owner)
        job = shown(mine)
        if job is None:
            return [self._empty(), gr.Gallery(visible=False), "", gr.skip(), gr.Row(visible=False), *self._buttons(False),
                    gr.Timer(IDLE), seen, *self._going_on(None, forever, seen)]
        progress = self._studio.queue.watch(job.id)
        busy = job.status in OPEN
        now = f"{job.id} {job.status} {len(progress.files)}"
        waiting = sum(j.status == "queued" and j.id != job.id for j in mine) if busy else 0
        words = self._studio.words
        stage = troubles(self._studio) + (working(words, progress, waiting) if busy else ended(words, progress))
        if now == seen:
            return [stage if busy else gr.skip(), *[gr.skip()] * 4, *self._buttons(busy),
                    gr.Timer(BUSY if busy else IDLE), seen, *self._going_on(job, forever, seen)]
        files = self._views(self._pictures(mine, job, progress.files, forever))
        results = gr.Gallery(files, selected_index=len(files) - 1 if files else None, visible=bool(files))
        return [stage, results, "", self._explained(job) if progress.files and not busy else "", gr.Row(visible=bool(files)),
                *self._buttons(busy), gr.Timer(BUSY if busy else IDLE), now, *self._going_on(job, forever, seen)]

    def _going_on(self, job: Any, forever: bool, seen: str) -> list[Any]:
        """Updates for `forever`, `_next`, `_go`: what is done is followed by another; what failed or was stopped is the end."""
        if not forever or job is None or job.status in OPEN:
            return [gr.skip()] * 3
        if job.status == "done":
            return [gr.skip(), job.id, gr.Timer(active=True)]
        return [False if seen.startswith(job.id) and seen.split()[1] in OPEN else gr.skip(), gr.skip(), gr.skip()]

    def _buttons(self, busy: bool) -> list[Any]:
        return [gr.Button(interactive=busy), gr.Button(interactive=busy)]

    # -- what the stage shows ------------------------------------------------------------------------------------------

    def _empty(self) -> str:
        return f'<div class="stage empty"><p>{html.escape(self._studio.words("nothing_yet"))}</p></div>'

    def _explained(self, job: Any) -> str:
        """What changed since the last picture, and the verdicts on this one: the answer to "why does it look like this?"."""
        return changes.chips(self._studio, job) + explained(self._studio, job.request)


def working(words: Words, progress: Any, waiting: int = 0) -> str:
    """A bar, what is being done, how long it will take, how many jobs wait behind it, and the newest preview."""
    eta = f" · {words('eta')} {clock(progress.eta_s)}" if progress.eta_s is not None else ""
    what = html.escape(progress.stage or words("status_" + progress.status))
    if progress.status == "running" and progress.steps:
        what = (f"{words('picture')} {progress.image}/{progress.images} · {words('step')} "
                f"{progress.step}/{progress.steps}{eta}")
    if waiting:
        what += f" · {words('more_waiting', count=waiting)}"
    picture = ""
    if progress.preview:
        data = base64.b64encode(progress.preview).decode()
        picture = f'<img alt="{html.escape(words("preview"))}" src="data:image/jpeg;base64,{data}">'
    return (f'<div class="stage busy"><div class="progress" role="progressbar" aria-valuenow="{progress.fraction:.2f}">'
            f'<span style="width:{progress.fraction * 100:.1f}%"></span></div>'
            f'<p>{what}</p>{picture}</div>')


def ended(words: Words, progress: Any) -> str:
    """What the user should know of a job that is over; "" when all went well."""
    lines = [f"<p>{html.escape(note)}</p>" for note in progress.notes]
    if progress.error:
        lines.insert(0, f'<p class="error">{html.escape(progress.error)}</p>')
    elif progress.status != "done":
        lines.insert(0, f"<p>{html.escape(words('status_' + progress.status))}</p>")
    return f'<div class="stage ended">{"".join(lines)}</div>' if lines else ""


def explained(studio: Studio, request: GenerationRequest) -> str:
    """What the advice says of a made picture: one line when nothing stands out, else a list, worst first."""
    try:
        family = studio.model(request.model).family
    except StudioError:
        return ""
    verdicts = studio.advice.explain_result(request, family)
    rows = [f'<span class="dot"></span><b>{html.escape(v.label)}</b> {html.escape(v.text)}' for v in verdicts]
    if len(verdicts) == 1 and verdicts[0].level == "recommended":
        return f'<div class="explained verdict recommended">{rows[0]}</div>'
    lines = "".join(f'<li class="verdict {v.level}">{row}</li>' for v, row in zip(verdicts, rows, strict=True))
    return f'<details class="explained" open><summary>{html.escape(studio.words("why"))}</summary><ul>{lines}</ul></details>'


def shown(mine: Sequence[Any]) -> Any:
    """Of a visitor's jobs the one that a tab shows: the running one, else the next that waits, else the newest, or None."""
    for status in OPEN[::-1]:
        waiting = [j for j in mine if j.status == status]
        if waiting:
            return waiting[0]
    return max(mine, key=lambda j: j.created, default=None)
