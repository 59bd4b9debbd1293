"""The list of samplers: names, aliases, old labels, what may be combined."""

import pytest

from pipelines import samplers
from pipelines.samplers import SAMPLERS, SCHEDULES
from pipelines.spec.errors import FieldError

ASKED = ("Euler", "Euler a", "Heun", "LMS", "DDIM", "DDPM", "PLMS", "DPM2", "DPM2 a", "DPM++ 2M", "DPM++ 2S",
         "DPM++ SDE",
         "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE", "UniPC", "DEIS", "LCM", "TCD", "DPM++ 2S a", "DPM fast",
         "DPM adaptive", "Restart")
LABELS = {
    "DPM++ 2M Karras": ("DPM++ 2M", "Karras"), "DPM++ 2M SDE Heun Karras": ("DPM++ 2M SDE Heun", "Karras"),
    "DPM++ 2M SDE Exponential": ("DPM++ 2M SDE", "Exponential"), "Euler a": ("Euler a", None),
    "k_dpmpp_2m_ka": ("DPM++ 2M", "Karras"), "k_euler_a": ("Euler a", None), "LMS Karras": ("LMS", "Karras"),
    "DPM2 a Karras": ("DPM2 a", "Karras"), "  dpm++  2m   karras ": ("DPM++ 2M", "Karras"), "PNDM": ("PLMS", None),
    "DPM++ 2S a Karras": ("DPM++ 2S a", "Karras"), "uni_pc": ("UniPC", None), "Euler SGM Uniform": ("Euler",
                                                                                                    "SGM Uniform"),
    "dpmpp_2m_sgm_uniform": ("DPM++ 2M", "SGM Uniform"), "DPM fast": ("DPM fast", None), "Euler Beta": ("Euler",
                                                                                                        "Beta"),
}


def test_every_sampler_of_the_issue_has_a_row() -> None:
    assert set(ASKED) == set(SAMPLERS.names())


@pytest.mark.parametrize("label", LABELS, ids=str.strip)
def test_an_old_label_is_split(label: str) -> None:
    assert samplers.split(label) == LABELS[label]


def test_an_unknown_label_names_the_nearest() -> None:
    with pytest.raises(FieldError, match=r"Sampler: Eulr a - not found\. Allowed: Euler a"):
        samplers.split("Eulr a")


@pytest.mark.parametrize("row", [r for r in SAMPLERS if r.broken], ids=lambda r: r.name)
def test_a_sampler_without_an_equal_says_so_and_what_to_use(row: samplers.Sampler) -> None:
    with pytest.raises(FieldError, match="no equal in diffusers. Use .* instead"):
        samplers.check(row.name, "Automatic")
    assert samplers.split(row.name + " Karras") == (row.name, "Karras")
    assert not SAMPLERS.get(row.instead).broken
    assert samplers.schedules_for(row.name) == ()


def test_a_broken_schedule_names_another() -> None:
    with pytest.raises(FieldError, match="Schedule type: KL Optimal .* Use Exponential instead"):
        samplers.check("Euler", "KL Optimal")


@pytest.mark.parametrize(("sampler", "schedule"), [("DDIM", "Karras"), ("LCM", "Uniform"), ("PLMS", "Simple")])
def test_a_pair_that_cannot_be_is_refused_with_what_can(sampler: str, schedule: str) -> None:
    with pytest.raises(FieldError,
                       match=f"Schedule type: {schedule} - {sampler} has its own levels. Allowed: Automatic"):
        samplers.check(sampler, schedule)


def test_too_many_steps_are_refused_where_the_scheduler_has_a_limit() -> None:
    with pytest.raises(FieldError, match=r"Steps: 51 - too many for LCM\. Allowed: 1-50\."):
        samplers.check("LCM", "Automatic", 51)


@pytest.mark.parametrize("row", list(SAMPLERS), ids=lambda r: r.name)
def test_a_row_names_schedules_that_exist(row: samplers.Sampler) -> None:
    assert all(name in SCHEDULES and not SCHEDULES.get(name).broken for name in row.schedules)
    assert row.automatic in row.schedules


@pytest.mark.parametrize(("asked", "used"), [("DPM++ 2M", "Karras"), ("DPM++ 2M SDE", "Exponential"),
                                             ("Euler", "Uniform"), ("DPM++ SDE", "Karras"), ("DDIM", "DDIM")])
def test_automatic_is_what_automatic1111_takes(asked: str, used: str) -> None:
    assert samplers.resolved(asked, "Automatic") == used


@pytest.mark.parametrize(("label", "field", "pair"), [
    ("dpmpp_2m_sde exponential", "Automatic", ("DPM++ 2M SDE", "Exponential")),
    ("DPM++ 2M Karras", "Beta", ("DPM++ 2M", "Beta")), ("k_euler", "sgm_uniform", ("Euler", "SGM Uniform")),
])
def test_a_label_and_a_schedule_field_become_two_names(label: str, field: str, pair: tuple[str, str]) -> None:
    assert samplers.canonical(label, field) == pair


def test_a_row_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SAMPLERS.get("Euler").settings["x"] = 1     # type: ignore[index]
