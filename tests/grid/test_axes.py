"""What is typed for an axis: ranges, lists, and one line for every value that cannot be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipelines.grid import AxisKind, Grid, kinds
from pipelines.grid.axis import ordered
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.param import declared
from pipelines.spec.parts import ControlUnit
from pipelines.spec.request import GenerationRequest

BASE = GenerationRequest(prompt="a red car, in the snow", seed=5, steps=4)
LISTS = {"samplers": ["Euler a", "DPM++ 2M"], "models": ["mini"], "presets": ["one", "a, b"]}


def names(source: str) -> Sequence[str]:
    return LISTS.get(source, [])


KINDS: dict[str, AxisKind] = kinds(names, lambda name: {"steps": len(name)}, iter(range(100, 200)).__next__)


def shown(key: str, text: str) -> list[str]:
    return [v.shown for v in KINDS[key].axis(text, BASE).values]


@pytest.mark.parametrize(("key", "text", "values"), [
    ("negative_prompt", '"", dark', ["–", "dark"]), ("negative_prompt", '"a ""b"" c", ""', ['a "b" c', "–"]),
    ("steps", "1-5", ["1", "2", "3", "4", "5"]), ("steps", "1-10 (+2)", ["1", "3", "5", "7", "9"]),
    ("steps", "10-1 (-3)", ["10", "7", "4", "1"]), ("steps", "1-10 [5]", ["1", "3", "5", "7", "10"]),
    ("cfg_scale", "1-10 [5]", ["1", "3.25", "5.5", "7.75", "10"]), ("cfg_scale", "1.0-2.0 [3]", ["1", "1.5", "2"]),
    ("cfg_scale", "1,4, 7.5", ["1", "4", "7.5"]), ("steps", "4, 4, 8-9", ["4", "8", "9"]), ("steps", "7-7 [1]", ["7"]),
    ("cfg_rescale", "0-0.3 (+0.1)", ["0", "0.1", "0.2", "0.3"]), ("tiling", "off, on", ["off", "on"]),
    ("cfg_end", "0.6, 1", ["0.6", "1"]),
    ("sampler", 'Euler a, "DPM++ 2M"', ["Euler a", "DPM++ 2M"]), ("styles", "none, A + B", ["none", "A + B"]),
    ("seed", "-1, -1", ["100", "101"]), ("size", "256x256, 64×128", ["256x256", "64x128"]),
    ("prompt_sr", 'car, bus, "old, red car"', ["car", "bus", "old, red car"]),
    ("prompt_matrix", "night | fog", ["–", "night", "fog", "night, fog"]), ("preset", '"a, b"', ["a, b"]),
    ("prompts", "a cat\n--prompt \"a dog\" --steps 9", ["a cat", '--prompt "a dog" --steps 9']),
    ("lora_weight", "soft: 0-1 [3]", ["soft 0", "soft 0.5", "soft 1"]), ("lora_weight", "soft: -0.5", ["soft -0.5"])],
    ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_typed_becomes_these_values(key: str, text: str, values: list[str]) -> None:
    assert shown(key, text) == values


@pytest.mark.parametrize(("key", "text", "line"), [
    ("steps", "", "the list is empty"), ("steps", " , ", "the list is empty"),
    ("steps", "10-1 (+1)", "runs the other way"), ("steps", "10-1", "Write 10-1 (-1)"), ("steps", "1-9 (+0)", "goes nowhere"),
    ("steps", "1-1000000", "1000000 values are too many"), ("steps", "1-5 [9999]", "that many values"),
    ("steps", "0", "Steps: 0 - too small"), ("steps", "4.5", "Steps: 4.5 - not a"), ("cfg_scale", "x", "not a number"),
    ("cfg_scale", "1e400", "finite"), ("tiling", "maybe", "neither true nor false"), ("size", "256", "not a size"),
    ("size", "7x256", "Width: 7"), ("prompt_sr", "boat, bus", "is not in the prompt"),
    ("negative_sr", "fog, mist", "Negative prompt S/R: fog - is not in the negative prompt"), ("prompt_order", "car", "2-5 words"),
    ("prompt_order", "red car, car", "overlaps"), ("prompt_matrix", "|", "1-8 parts"), ("prompts", "--colour red", "no such flag"),
    ("init.denoising_strength", "0.5", "no input picture"), ("control_weight", "0.5", "no ControlNet unit"),
    ("lora_weight", "0.5", "the prompt has no <lora:"), ("lora_weight", "soft: x", "not a number"),
    ("lora_weight", "soft: 40", "too strong"), ("lora_weight", "a<b: 1", "not the name of a LoRA")], ids=lambda v: str(v)[:20])
def test_what_cannot_be_is_one_line(key: str, text: str, line: str) -> None:
    with pytest.raises(RequestError) as refused:
        KINDS[key].axis(text, BASE)
    assert line in str(refused.value) and len(str(refused.value).splitlines()) == 1


def test_every_refused_value_has_its_own_line() -> None:
    with pytest.raises(RequestError) as refused:
        KINDS["steps"].axis("0, 5, 151, x", BASE)
    assert [e.value for e in refused.value.errors] == ["0", "151", "x"]


def test_every_declared_field_is_an_axis() -> None:
    never = {"batch_count", "batch_size", "identity.vectors", "loopback.loops", "loopback.curve",
             "loopback.final_denoising_strength"}
    wanted = {d.path for d in declared(GenerationRequest) if not d.param.picture}
    assert never <= wanted and wanted - never <= KINDS.keys() and not never & KINDS.keys()
    assert {f"control_{d.path.removeprefix('control_')}" for d in declared(ControlUnit) if not d.param.picture} <= KINDS.keys()


@pytest.mark.parametrize("key", [k for k in KINDS if "." not in k and KINDS[k].fill(BASE).strip(", ")])
def test_what_is_filled_in_can_be_read_back(key: str) -> None:
    base = BASE.merged({"control": [{"model": "canny"}]}) if key.startswith("control_") else BASE
    assert KINDS[key].axis(KINDS[key].fill(base), base).values


def test_words_change_places() -> None:
    assert ordered("snow, a car at night", ["night", "snow", "car"]) == "night, a snow at car"
    with pytest.raises(FieldError):
        ordered("snow", ["rain", "snow"])


def grid(**axes: str) -> Grid:
    return Grid.of(BASE, [KINDS[key].axis(text, BASE) for key, text in axes.items()])


def test_a_cell_is_the_base_with_its_values() -> None:
    made = grid(steps="1-3", prompt_sr="car, bus", cfg_scale="2, 4")
    assert made.count == 12 and made.shape == (3, 2, 2)
    cell = made.cell(made.index(2, 1, 1))
    assert (cell.steps, cell.prompt, cell.cfg_scale) == (3, "a red bus, in the snow", 4.0)
    assert cell.seed == 5 and cell.count == 1


def test_a_grid_comes_back_from_json() -> None:
    made = grid(steps="1-3", prompt_sr="car, bus", seed="-1, -1")
    again = Grid.of_json(BASE, made.to_json())
    assert [again.cell(i) for i in range(again.count)] == [made.cell(i) for i in range(made.count)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}', '{"version": 1, "axes": [1]}', "[" * 100_000],
                         ids=["empty", "cut", "list", "later", "axis", "deep"])
def test_a_damaged_plan_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        Grid.of_json(BASE, text)


def test_models_change_least_often_and_seeds_most() -> None:
    LISTS["models"] = ["mini", "other"]
    order = [grid(seed="1-2", model="mini, other", steps="1-2").cell(i)
             for i in grid(seed="1-2", model="mini, other", steps="1-2").order()]
    assert [r.model for r in order] == ["mini"] * 4 + ["other"] * 4
    assert [r.seed for r in order] == [1, 2] * 4 and [r.steps for r in order] == [1, 1, 2, 2] * 2


def test_too_many_cells_and_the_same_axis_twice_are_refused() -> None:
    with pytest.raises(FieldError, match=r"150 × 1000 = 150000 cells - too many. Allowed: up to 10000"):
        grid(steps="1-150", seed="1-1000")
    axis = KINDS["steps"].axis("1-2", BASE)
    with pytest.raises(FieldError, match="two axes"):
        Grid.of(BASE, [axis, axis])


def cells(base: GenerationRequest, *axes: tuple[str, str]) -> list[GenerationRequest]:
    grid = Grid.of(base, [KINDS[key].axis(text, base) for key, text in axes])
    return [Grid.of_json(base, grid.to_json()).cell(index) for index in range(grid.count)]


def test_the_weight_of_the_prompts_lora_is_an_axis() -> None:
    base = BASE.merged({"prompt": "a car <lora:Soft:0.3:0.9>, at night"})
    assert [one.prompt for one in cells(base, ("lora_weight", "0, 0.5"))] == [
        "a car <lora:Soft:0>, at night", "a car <lora:Soft:0.5>, at night"]
    both = cells(base, ("lora_weight", "soft: 1"))[0], cells(base, ("lora_weight", "other: 0.4"))[0]
    assert [one.prompt[6:] for one in both] == ["<lora:soft:1>, at night", "<lora:Soft:0.3:0.9>, at night<lora:other:0.4>"]
    with pytest.raises(RequestError, match="the prompt has 2: Soft, x"):
        KINDS["lora_weight"].axis("0.5", base.merged({"prompt": base.prompt + "<lora:x>"}))


def test_weight_and_end_of_the_first_unit_are_axes_that_go_together() -> None:
    base = BASE.merged({"control": [{"model": "canny", "weight": 0.7}, {"model": "depth"}]})
    found = cells(base, ("control_weight", "0-1 [2]"), ("control_end", "0.5, 1"))
    assert [(one.control[0].weight, one.control[0].end) for one in found] == [(0, 0.5), (1, 0.5), (0, 1), (1, 1)]
    assert all(one.control[1] == base.control[1] and one.control[0].model == "canny" for one in found)
    assert [one.control[0].pixel_perfect for one in cells(base, ("control_pixel_perfect", "on, off"))] == [True, False]
    with pytest.raises(RequestError, match="Control weight: 3 - too large"):
        KINDS["control_weight"].axis("3", base)


def test_lines_of_automatic1111s_prompts_from_file_are_read() -> None:
    line = '--prompt "a cat" --negative_prompt "fog" --sampler_name "Euler a" --cfg_scale 5 --subseed 3 --subseed_strength 0.2'
    made = cells(BASE, ("prompts", line))[0]
    assert (made.prompt, made.negative_prompt, made.sampler, made.cfg_scale) == ("a cat", "fog", "Euler a", 5)
    assert made.variation is not None and (made.variation.seed, made.variation.strength) == (3, 0.2)
