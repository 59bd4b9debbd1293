"""How a grid looks on the page: its progress, and a table of cells that are buttons. Makes HTML, knows no handler."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from statistics import fmean
from urllib.parse import quote

from pipelines.grid import Grid
from pipelines.queue import Job, Progress
from pipelines.words import Words

CLICK = """element.addEventListener('click', (e) => {
  const button = e.target.closest('button[data-cell]');
  if (!button) return;
  element.querySelectorAll('.chosen').forEach((other) => other.classList.remove('chosen'));
  button.classList.add('chosen');
  trigger('select', {cell: button.dataset.cell});
})"""


def stage(progress: Progress, job: Job, words: Words) -> str:
    """How far the job is, and what went wrong."""
    done = len(job.files)
    if job.status == "running":
        what = f"{words('cells_done', done=done, count=job.count)}"
        what += f" · {progress.stage}" if progress.stage else f" · {words('step')} {progress.step}/{progress.steps}"
        what += f" · {words('eta')} {progress.eta_s:.0f} {words('seconds')}" if progress.eta_s is not None else ""
        return (f'<div class="stage busy"><div class="progress" role="progressbar" aria-valuenow="{done / job.count:.2f}">'
                f'<span style="width:{100 * done / job.count:.1f}%"></span></div><p>{html.escape(what)}</p></div>')
    lines = [f'<p class="told">{html.escape(words("status_" + job.status))} · '
             f'{html.escape(words("cells_done", done=done, count=job.count))}</p>']
    lines += [f'<p class="error">{html.escape(job.error)}</p>'] if job.error else []
    return f'<div class="stage ended">{"".join(lines)}</div>'


def table(grid: Grid, job: Job, words: Words) -> str:
    """The legend and every cell; one table for each value of the third axis."""
    wrong = errors(grid, job.notes)
    columns, rows, sheets = grid.shape
    shape = f"--columns:{columns};--ratio:{grid.base.height / grid.base.width:.3g}"
    parts = []
    for z in range(sheets):
        if len(grid.axes) > 2:
            parts.append(f"<h4>{_named(grid, 2, words)}: {html.escape(grid.axes[2].values[z].shown)}</h4>")
        below = f"<br>{_named(grid, 1, words)}&nbsp;↓" if len(grid.axes) > 1 else ""
        corner = f"<th>{_named(grid, 0, words)}&nbsp;→{below}</th>"
        heads = "".join(f"<th>{html.escape(v.shown)}</th>" for v in grid.axes[0].values)
        lines = []
        for y in range(rows):
            name = html.escape(grid.axes[1].values[y].shown) if len(grid.axes) > 1 else ""
            cells = "".join(_cell(grid, job, grid.index(x, y, z), wrong) for x in range(columns))
            lines.append(f"<tr><th>{name}</th>{cells}</tr>")
        body = f"<tr>{corner}{heads}</tr>{''.join(lines)}"
        parts.append(f'<div class="grid-scroll"><table class="grid-cells" style="{shape}">{body}</table></div>')
    return "".join(parts)


def bars(grid: Grid, seconds: Mapping[int, float], words: Words) -> str:
    """Mean seconds of a picture for each value of x, as a chart; "" before there are two to compare."""
    by: dict[int, list[float]] = {}
    for index, spent in seconds.items():
        by.setdefault(grid.place(index)[0], []).append(spent)
    means = {at: fmean(spent) for at, spent in sorted(by.items())}
    if len(means) < 2 or not max(means.values()):
        return ""
    longest = max(means.values())
    rows = "".join(f"<span>{html.escape(grid.axes[0].values[at].shown)}</span>"
                   f'<i style="width:{100 * mean / longest:.1f}%"></i><b>{mean:.2f} s</b>' for at, mean in means.items())
    opened = " open" if grid.axes[0].key == "sampler" else ""
    title = html.escape(words("seconds_by", name=words.label(grid.axes[0].key, grid.axes[0].label)))
    return f'<details class="explained"{opened}><summary>{title}</summary><div class="bars">{rows}</div></details>'


def _named(grid: Grid, axis: int, words: Words) -> str:
    return html.escape(words.label(grid.axes[axis].key, grid.axes[axis].label))


def _cell(grid: Grid, job: Job, index: int, wrong: dict[int, str]) -> str:
    name = html.escape(grid.name(index), quote=True)
    if index in job.files:
        file = quote(job.files[index])
        return (f'<td><button type="button" data-cell="{index}" title="{name}"><img loading="lazy" alt="{name}" '
                f'src="pictures/.thumbs/{file}.jpg"></button></td>')
    if index in wrong:
        return f'<td class="wrong" title="{html.escape(wrong[index], quote=True)}">!</td>'
    return f'<td class="missing" title="{name}">·</td>'


def errors(grid: Grid, notes: Iterable[str]) -> dict[int, str]:
    """The errors of cells among the notes of a job, by cell."""
    found = [note.partition(": ") for note in notes]
    lines = {name: error for name, _, error in found}
    if not lines or grid.count > 10_000:
        return {}
    return {index: lines[name] for index in range(grid.count) if (name := grid.name(index)) in lines}
