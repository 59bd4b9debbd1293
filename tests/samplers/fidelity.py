"""Measures how far each sampler, as built, is from its published algorithm on an analytic model (benchmark B11).

`python -m tests.samplers.fidelity` prints the table that stands in docs/samplers.md.
"""

from __future__ import annotations

import torch

from pipelines.samplers import SAMPLERS, build, check, resolved
from pipelines.samplers.choose import _levels
from pipelines.samplers.placed import path_ends
from pipelines.samplers.schedules import SCHEDULES, Noise
from tests.samplers import reference

EPSILON = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
           "prediction_type": "epsilon", "steps_offset": 1, "timestep_spacing": "leading", "skip_prk_steps": True}
V_PREDICTION = {**EPSILON, "beta_end": 0.02, "prediction_type": "v_prediction"}
SHAPE, STEPS = (2, 2, 4, 4), 20
BY_ROW = {"Euler": reference.euler, "Heun": reference.heun, "LMS": reference.lms, "DDIM": reference.euler,
          "PLMS": reference.plms, "DPM2": reference.dpm2,
          "DPM++ 2M": reference.dpmpp_2m, "DPM++ 2S": reference.dpmpp_2s,
          "UniPC": reference.unipc, "DEIS": reference.deis, "Euler a": reference.euler_ancestral,
          "DPM2 a": reference.dpm2, "DPM++ 2M SDE": reference.dpmpp_2m_sde, "DPM++ 3M SDE": reference.dpmpp_3m_sde,
          "DPM++ 2M SDE Heun": lambda *a: reference.dpmpp_2m_sde(*a, heun=True), "DPM++ SDE": reference.dpmpp_sde}


def training_noise(config):
    betas = torch.linspace(config["beta_start"]**0.5, config["beta_end"]**0.5, config["num_train_timesteps"])**2
    alphas = torch.cumprod(1 - betas, 0).double().numpy()
    return Noise(((1 - alphas) / alphas) ** 0.5)


class Model:
    """The analytic denoiser in a UNet's clothes: scaled picture and timestep in, noise or v out; counts its calls."""

    def __init__(self, config):
        self.denoise, self.noise = reference.mixture(), training_noise(config)
        self.kind, self.calls = config["prediction_type"], 0

    def __call__(self, scaled, timestep):
        self.calls += 1
        level = float(self.noise.at(float(timestep)))
        x = scaled.double() * (1 + level**2) ** 0.5
        picture = self.denoise(x, level)
        eps = (x - picture) / level
        return (eps - level * picture) / (1 + level**2) ** 0.5 if self.kind == "v_prediction" else eps


def sample(built, model, generator, shape=SHAPE, first=None):
    """The loop of a diffusers pipeline, with `first` or drawn unit noise to begin with."""
    scheduler, call = built
    scheduler.set_timesteps(call["num_inference_steps"])
    x = (first if first is not None else start_noise(generator, shape)) * scheduler.init_noise_sigma
    takes = scheduler.step.__code__.co_varnames
    extra = {k: v for k, v in {"generator": generator, "eta": call.get("eta")}.items() if k in takes and v is not None}
    for t in scheduler.timesteps:
        x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x, **extra, return_dict=False)[0]
    return x


def start_noise(generator, shape=SHAPE):
    if isinstance(generator, list):
        return torch.cat([torch.randn((1, *shape[1:]), generator=g, dtype=torch.float64) for g in generator])
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def expected(row, schedule, config, first, seeds):
    """The published algorithm from the same unit noise `first` at AUTOMATIC1111's levels, with the same draws."""
    noise = training_noise(config)
    if row.name in ("DDIM", "PLMS"):
        levels = [float(noise.sigmas[t]) for t in reference.ddim_grid(1000, STEPS)]
        scale = (1 + levels[0]**2) ** 0.5, (1 + levels[-1]**2) ** -0.5
    else:
        place = SCHEDULES.get(resolved(row.name, schedule))
        levels = [*map(float, _levels(row, place, noise, STEPS)), row.last_level]
        scale = levels[0], 1.0
    arguments = [Model(config).denoise, first * scale[0], levels]
    return BY_ROW[row.name](*arguments, *([fresh_noise(row, levels, seeds)] if row.stochastic else [])) * scale[1]


def fresh_noise(row, levels, seeds):
    if row.scheduler == "DPMSolverSDEScheduler":
        from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler
        low, high = path_ends([v for v in levels if v])
        tree = BrownianTreeNoiseSampler(torch.zeros(SHAPE, dtype=torch.float64), low, high, list(seeds))
        return lambda level, following: tree(torch.tensor(level), torch.tensor(following))
    generator = torch.Generator().manual_seed(1)
    # Half of the classes draw in the model's precision, half always in float32.
    kind = torch.float32 if row.scheduler == "DPMSolverMultistepScheduler" else torch.float64
    return lambda level, following: torch.randn(SHAPE, generator=generator, dtype=kind).double()


def error(row, schedule, config):
    """Largest difference to the published algorithm over the largest value, after 20 steps."""
    check(row.name, schedule)
    seeds, first = (7, 8), torch.randn(SHAPE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    got = sample(build(row.name, schedule, config, STEPS, seeds=seeds), Model(config),
                 torch.Generator().manual_seed(1), first=first)
    want = expected(row, schedule, config, first, seeds)
    return float((got - want).abs().max() / want.abs().max())


def table():
    """Markdown: the largest error over all schedules a row can be combined with, for both prediction types."""
    lines = ["| sampler | epsilon | v-prediction |", "|---|---|---|"]
    for row in SAMPLERS:
        if row.name in BY_ROW:
            worst = [max(error(row, s, config) for s in row.schedules
                         if (config is EPSILON or s != "Align Your Steps") and (row.name, s) != ("DDIM", "Simple"))
                     for config in (EPSILON, V_PREDICTION)]
            lines.append(f"| {row.name} | {worst[0]:.0e} | {worst[1]:.0e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
