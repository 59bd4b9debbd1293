"""The floors hold: who may import whom, who may know Gradio and torch, what a room may look like. Read from syntax only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {      # longest prefix wins; a room may import its own floor and those below
    "app": 7,
    "tabs": 6,
    "pipelines.cli": 6, "pipelines.api": 6,
    "pipelines.studio": 5, "pipelines.experiments": 5, "pipelines.upscale_job": 5, "pipelines.reproduce": 5,
    "pipelines.batch": 5, "pipelines.loopback": 5, "pipelines.live": 5, "pipelines.ranked": 5,
    "pipelines.reception": 5, "pipelines.past": 4,
    "pipelines.engine": 4, "pipelines.passes": 4, "pipelines.training": 4, "pipelines.doctor": 4,
    "pipelines.tasks": 3, "pipelines.loading": 3, "pipelines.archive": 3, "pipelines.previews": 3,
    "pipelines.upscalers": 3,
    "pipelines.patches": 2, "pipelines.families": 2, "pipelines.prompt": 2, "pipelines.samplers": 2, "pipelines.queue": 2,
    "pipelines.metadata": 2, "pipelines.presets": 2, "pipelines.advice": 2, "pipelines.styles": 2, "pipelines.images": 2,
    "pipelines.words": 2, "pipelines.settings": 2, "pipelines.pose": 2, "pipelines.preprocess": 2,
    "pipelines.deep": 2, "pipelines.grid": 2, "pipelines.contact_sheet": 3,
    "pipelines.portraits": 2, "pipelines.drawing": 2, "pipelines.ranking": 3,
    "pipelines.spec": 1,
}
LIGHT = ("tabs", "pipelines.api", "pipelines.spec", "pipelines.samplers", "pipelines.prompt.parse", "pipelines.prompt.tokens",
         "pipelines.queue", "pipelines.archive", "pipelines.metadata", "pipelines.advice", "pipelines.presets",
         "pipelines.styles", "pipelines.images", "pipelines.settings", "pipelines.words", "pipelines.studio", "pipelines.engine",
         "pipelines.passes", "pipelines.reception", "pipelines.past", "pipelines.tasks.footprint", "pipelines.loading.estimate",
         "pipelines.experiments", "pipelines.live", "pipelines.ranked", "pipelines.batch", "pipelines.loopback",
         "pipelines.reproduce", "pipelines.loading.record", "pipelines.ranking.likeness",
         "pipelines.grid", "pipelines.contact_sheet",
         "pipelines.loading.library", "pipelines.upscalers.listing", "pipelines.upscalers.recipe", "pipelines.upscalers.files",
         "pipelines.upscalers.restorers", "pipelines.upscale_job", "pipelines.deep", "pipelines.families", "pipelines.pose",
         "pipelines.preprocess",
         "pipelines.portraits", "pipelines.drawing", "pipelines.ranking.combine", "extensions", "app")
HEAVY = {"torch", "diffusers", "transformers", "torchvision", "accelerate", "peft", "spandrel"}


def rooms() -> list[str]:
    files = [ROOT / "app.py", *(p for d in ("tabs", "pipelines", "extensions") for p in (ROOT / d).rglob("*.py"))]
    return sorted(".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in files)


def path_of(room: str) -> Path:
    file = ROOT.joinpath(*room.split(".")).with_suffix(".py")
    return file if file.exists() else ROOT.joinpath(*room.split("."), "__init__.py")


def imports(tree: ast.AST, only_at_import: bool = False) -> Iterator[str]:
    """Modules named by import statements; with `only_at_import` those inside functions and TYPE_CHECKING are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif only_at_import and (isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or _type_checking(node)):
            continue
        else:
            yield from imports(node, only_at_import)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def floor(room: str) -> int | None:
    found = [p for p in FLOORS if room == p or room.startswith(p + ".")]
    return FLOORS[max(found, key=len)] if found else None


def tree_of(room: str) -> ast.Module:
    return ast.parse(path_of(room).read_text(encoding="utf-8"))


@pytest.mark.parametrize("room", rooms())
def test_no_arrow_runs_upward(room: str) -> None:
    mine = floor(room)
    if room.startswith("extensions") or room == "pipelines":
        return
    assert mine is not None, f"{room} stands on no floor: add it to FLOORS"
    up = {i for i in imports(tree_of(room)) if (other := floor(i)) is not None and other > mine}
    assert not up, f"{room} (floor {mine}) imports {up}"


@pytest.mark.parametrize("room", [r for r in rooms() if r.startswith("pipelines")])
def test_nothing_below_tabs_knows_gradio(room: str) -> None:
    assert not {i for i in imports(tree_of(room)) if i.split(".")[0] in ("gradio", "gradio_client", "tabs")}


@pytest.mark.parametrize("room", [r for r in rooms() if any(r == p or r.startswith(p + ".") for p in LIGHT)])
def test_a_page_opens_before_torch(room: str) -> None:
    heavy = {i for i in imports(tree_of(room), only_at_import=True) if i.split(".")[0] in HEAVY}
    assert not heavy, f"{room} imports {heavy} when it is imported"


@pytest.mark.parametrize("room", [r for r in rooms() if r.split(".")[0] in ("pipelines", "tabs")])
def test_only_the_app_loads_extensions(room: str) -> None:
    assert not {i for i in imports(tree_of(room)) if i.split(".")[0] == "extensions"}


@pytest.mark.parametrize("room", rooms())
def test_every_file_says_its_purpose_and_nobody_uses_global(room: str) -> None:
    tree = tree_of(room)
    assert ast.get_docstring(tree), f"{room} has no first line"
    assert not [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Global)]
    assert not [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.type is None]


def test_no_circle_of_imports() -> None:
    known = set(rooms())
    arrows = {r: {i for i in imports(tree_of(r), only_at_import=True) if i in known and i != r} for r in known}
    done: set[str] = set()

    def visit(room: str, trail: tuple[str, ...]) -> None:
        assert room not in trail, " → ".join([*trail[trail.index(room):], room])
        if room not in done:
            for other in arrows[room]:
                visit(other, (*trail, room))
            done.add(room)

    for room in known:
        visit(room, ())
