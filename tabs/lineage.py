"""The family of a picture as a tree one can walk: what it was made from, and what was made of it. Makes HTML only."""

from __future__ import annotations

import html
from urllib.parse import quote

from pipelines.archive.lineage import Node
from pipelines.spec.errors import StudioError
from pipelines.studio import Studio

CLICK = """element.addEventListener('click', (e) => {
  const button = e.target.closest('button[data-file]');
  if (button) trigger('select', {file: button.dataset.file});
})"""


def drawn(studio: Studio, file: str) -> str:
    """The tree with `file` marked; "" for a picture that stands alone."""
    top = studio.lineage.tree(file)
    if top.file == file and not top.made:
        return ""
    title = html.escape(studio.words("lineage"))
    return f'<details class="lineage" open><summary>{title}</summary><ul>{_branch(studio, top, file)}</ul></details>'


def _branch(studio: Studio, node: Node, here: str) -> str:
    below = "".join(_branch(studio, child, here) for child in node.made)
    return f"<li>{_leaf(studio, node, here)}{f'<ul>{below}</ul>' if below else ''}</li>"


def _leaf(studio: Studio, node: Node, here: str) -> str:
    name = html.escape(node.file.rpartition("/")[2] or studio.words("lineage_elsewhere"))
    if not node.there:
        return f'<span class="gone">{name} – {html.escape(studio.words("lineage_gone"))}</span>'
    picture = f'<img alt="" loading="lazy" src="/gradio_api/file={html.escape(quote(_small(studio, node)), quote=True)}">'
    if not node.file:
        return f'<span class="leaf">{picture}{name}</span>'
    mark = ' aria-current="true"' if node.file == here else ""
    return f'<button type="button" class="leaf" data-file="{html.escape(node.file, quote=True)}"{mark}>{picture}{name}</button>'


def _small(studio: Studio, node: Node) -> str:
    try:
        return str(studio.archive.thumbnail(node.file) if node.file else studio.inputs.path(node.kept))
    except StudioError:
        return ""
