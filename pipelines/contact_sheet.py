"""The finished cells of a grid as one PNG with a legend, a page to zoom in, and a table. Knows no queue and no studio.

The PNG is written strip by strip, so a grid of 100 × 100 needs the memory of one row of cells. A sheet above the pixel
limit is scaled down, and a note says so: whoever opens it must not meet a decompression bomb.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from pipelines.grid import Grid
from pipelines.images import open_image
from pipelines.metadata import png_texts
from pipelines.ranking.likeness import psnr
from pipelines.spec.errors import ImageFileError

MOST_PIXELS = 80_000_000        # below the 89 megapixels at which Pillow warns of a bomb
MOST_PAGE = 40_000_000          # bytes of pictures inside the zoomable page
PAPER, INK, GREY = (255, 255, 255), (40, 36, 33), (225, 221, 214)
Scores = Mapping[str, Mapping[int, float]]
NONE: Mapping[Any, Any] = MappingProxyType({})
Find = Callable[[int], Path | None]
"""The file of a cell, None when it was not made."""


class Layout:
    """Where things are on the sheet, in pixels. Cells are as large as the base request, or scaled to fit the limit."""

    def __init__(self, grid: Grid, most_pixels: int = MOST_PIXELS) -> None:
        sizes = [(r.width, r.height) for _, r in grid.samples()] or [(grid.base.width, grid.base.height)]
        self.columns, self.rows, self.sheets = grid.shape
        full = max(w for w, _ in sizes), max(h for _, h in sizes)
        self.scale = min(1.0, math.sqrt(most_pixels / (full[0] * full[1] * grid.count * 1.1)))
        while True:
            self.cell = max(1, int(full[0] * self.scale)), max(1, int(full[1] * self.scale))
            self.text = max(9, min(28, self.cell[1] // 10))
            self.head = self.text * 3 if grid.axes else 0
            self.left = min(8 * self.text, max(self.cell[0], 48)) if len(grid.axes) > 1 else 0
            self.width = self.left + self.columns * self.cell[0]
            self.sheet_height = self.head + self.rows * self.cell[1]
            if self.width * self.sheet_height * self.sheets <= most_pixels or self.cell == (1, 1):
                return
            self.scale *= 0.97

    @property
    def height(self) -> int:
        return self.sheet_height * self.sheets


def draw(grid: Grid, find: Find, out: BinaryIO, most_pixels: int = MOST_PIXELS) -> str:
    """Write the sheet as PNG. Returns a note when it had to be scaled down, "" otherwise. Raises OSError.

    The file says what all cells have in common, and the axes as AUTOMATIC1111 names them.
    """
    layout = Layout(grid, most_pixels)
    _write_png(out, (layout.width, layout.height), _strips(grid, layout, find), png_texts(grid.base, grid.script))
    if layout.scale == 1.0:
        return ""
    return (f"The sheet is scaled to {layout.scale:.0%}: at full size it would have more than "
            f"{most_pixels / 1e6:g} megapixels. The single pictures are as they were.")


def _strips(grid: Grid, layout: Layout, find: Find) -> Iterator[Image.Image]:
    font = _font(layout.text)
    for z in range(layout.sheets):
        if layout.head:
            yield _heading(grid, layout, z, font)
        for y in range(layout.rows):
            yield _row(grid, layout, (y, z), find, font)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font with Cyrillic where the system has one; Pillow's own knows Latin letters only."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def _heading(grid: Grid, layout: Layout, z: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """The names of the axes, and the values of x above their columns."""
    strip = Image.new("RGB", (layout.width, layout.head), PAPER)
    pen = ImageDraw.Draw(strip)
    title = "   ".join(f"{side}: {axis.label}" for side, axis in zip("XYZ", grid.axes, strict=False))
    title += f" {grid.axes[2].values[z].shown}" if len(grid.axes) > 2 else ""
    pen.text((4, 2), _cut(pen, title, layout.width - 8, font), INK, font)
    for x, value in enumerate(grid.axes[0].values):
        text = _cut(pen, value.shown, layout.cell[0] - 4, font)
        pen.text((layout.left + (x + 0.5) * layout.cell[0], layout.head - layout.text * 0.3), text, INK, font, anchor="ms")
    return strip


def _row(grid: Grid, layout: Layout, at: tuple[int, int], find: Find,
         font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    y, z = at
    width, height = layout.cell
    strip = Image.new("RGB", (layout.width, height), PAPER)
    pen = ImageDraw.Draw(strip)
    if layout.left:
        text = _cut(pen, grid.axes[1].values[y].shown, layout.left - 8, font)
        pen.text((layout.left - 6, height / 2), text, INK, font, anchor="rm")
    for x in range(layout.columns):
        picture = _picture(find(grid.index(x, y, z)), layout.cell)
        left = layout.left + x * width
        if picture is None:
            pen.rectangle((left, 0, left + width - 1, height - 1), GREY)
            continue
        strip.paste(picture, (left + (width - picture.width) // 2, (height - picture.height) // 2))
    return strip


def _picture(path: Path | None, cell: tuple[int, int]) -> Image.Image | None:
    """The picture at the size of a cell; None for one that is missing or cannot be read."""
    try:
        picture = open_image(path) if path else None
    except ImageFileError:
        return None
    if picture is not None and (picture.width > cell[0] or picture.height > cell[1]):
        picture.thumbnail(cell, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture.convert("RGB") if picture else None


def _cut(pen: ImageDraw.ImageDraw, text: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    text = " ".join(text.split())[:200]
    while text and pen.textlength(text, font) > width:
        text = text[:-2].rstrip("…") + "…" if len(text) > 2 else ""
    return text


def _write_png(out: BinaryIO, size: tuple[int, int], strips: Iterator[Image.Image], texts: PngInfo) -> None:
    """An eight-bit RGB PNG from strips of full width; each line is kept as it is (filter 0)."""
    def chunk(name: bytes, data: bytes) -> None:
        out.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))

    out.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    for name, data, *_ in texts.chunks:
        chunk(name, data)
    packer = zlib.compressobj(4)
    for strip in strips:
        raw, line = strip.tobytes(), size[0] * 3
        packed = b"".join(packer.compress(b"\0" + raw[i:i + line]) for i in range(0, len(raw), line))
        if packed:
            chunk(b"IDAT", packed)
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")


# -- the page and the table --------------------------------------------------------------------------------------------

PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:14px system-ui,sans-serif;margin:16px;background:#f4f2ee;color:#2b2724}}
table{{border-collapse:collapse;margin:12px 0}}th{{font-weight:500;padding:4px 8px;max-width:var(--s);overflow-wrap:anywhere}}
td{{padding:2px}}td img{{width:var(--s);display:block;cursor:zoom-in}}
small{{display:block;max-width:var(--s);color:#5d5751}}td.none{{background:#e1ddd6;color:#5d5751;font-size:12px;
width:var(--s);max-width:var(--s);padding:6px}}dialog{{border:0;border-radius:8px;max-width:95vw}}
dialog img{{width:min(85vmin,1024px)}}pre{{white-space:pre-wrap;max-width:85vmin}}</style></head>
<body style="--s:{side}px"><h1>{title}</h1>
<label>Size <input type="range" min="32" max="512" value="{side}" oninput="document.body.style.setProperty('--s',this.value+'px')">
</label>{tables}<dialog onclick="this.close()"><img alt=""><pre></pre></dialog><script>
document.body.addEventListener('click',e=>{{if(!e.target.matches('td img'))return;const d=document.querySelector('dialog');
d.querySelector('img').src=e.target.src;d.querySelector('pre').textContent=e.target.title;d.showModal()}})</script></body></html>
"""


def page(grid: Grid, find: Find, out: BinaryIO, scores: Scores = NONE) -> None:
    """Write one HTML file that holds everything: a slider for the size, a click enlarges a cell and says its values and scores."""
    side = max(32, min(512, int(math.sqrt(MOST_PAGE / (grid.count * 0.2)))))
    title = html.escape(" × ".join(axis.label for axis in grid.axes))
    tables = "".join(_table(grid, z, find, side, scores) for z in range(grid.shape[2]))
    out.write(PAGE.format(title=title, tables=tables, side=min(side, 192)).encode("utf-8", "replace"))


def _table(grid: Grid, z: int, find: Find, side: int, scores: Scores) -> str:
    columns, rows, _ = grid.shape
    third = grid.axes[2] if len(grid.axes) > 2 else None
    caption = f"<h2>{html.escape(third.label)}: {html.escape(third.values[z].shown)}</h2>" if third else ""
    heads = "".join(f"<th>{html.escape(v.shown)}</th>" for v in grid.axes[0].values)
    lines = []
    for y in range(rows):
        head = html.escape(grid.axes[1].values[y].shown) if len(grid.axes) > 1 else ""
        cells = "".join(_cell(grid, grid.index(x, y, z), find, side, scores) for x in range(columns))
        lines.append(f"<tr><th>{head}</th>{cells}</tr>")
    return f"{caption}<table><tr><th></th>{heads}</tr>{''.join(lines)}</table>"


def _cell(grid: Grid, index: int, find: Find, side: int, scores: Scores) -> str:
    marks = [f"{label} {_rounded(values[index])}" for label, values in scores.items() if index in values]
    name = html.escape("\n".join([grid.name(index), *marks]))
    below = f"<small>{html.escape(' · '.join(marks))}</small>" if marks else ""
    picture = _picture(find(index), (side, side))
    if picture is None:
        return f'<td class="none">{name}</td>'
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    inside = base64.b64encode(data.getvalue()).decode()
    return f'<td><img loading="lazy" alt="{name}" title="{name}" src="data:image/jpeg;base64,{inside}">{below}</td>'


def table(grid: Grid, find: Find, out: BinaryIO, errors: Mapping[int, str] = NONE, scores: Scores = NONE) -> None:
    """Write CSV: a row a cell with its values, file, how far it is from the first cell (PSNR in dB, "same" when equal),
    and a column for each of `scores`.
    """
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(["cell", *(axis.label for axis in grid.axes), "file", "PSNR to first cell, dB", *scores, "error"])
    first = _picture(find(0), (4096, 4096))
    for index in range(grid.count):
        path = find(index)
        shown = [harmless(value.shown) for value in grid.values(index)]
        writer.writerow([index, *shown, path.name if path else "", likeness(first, _picture(path, (4096, 4096))),
                         *(_rounded(values.get(index)) for values in scores.values()), harmless(errors.get(index, ""))])
    text.detach()


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def likeness(first: Image.Image | None, other: Image.Image | None) -> str:
    """PSNR in dB of two pictures of one size, "same" when every pixel is, "" when they cannot be compared."""
    found = psnr(first, other)
    return "" if found is None else "same" if math.isinf(found) else f"{found:.2f}"


def harmless(text: str) -> str:
    """`text` so that a spreadsheet takes it for text and not for a formula; numbers stay numbers."""
    try:
        float(text)
    except ValueError:
        return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    return text
