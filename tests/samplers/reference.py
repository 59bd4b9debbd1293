"""The samplers once more, from their papers, in float64 and without diffusers: what the rows are measured against.

Each takes `denoise(x, level)`, the starting noise x, and the levels including the last one. Levels are sigma, the
noise's standard deviation beside a picture of unit scale; lam = -log(sigma). `noise(level, next_level)` draws.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.integrate import quad


def slope(denoise, x, level):
    """dx/dsigma of the probability flow (arXiv 2206.00364, eq. 3)."""
    return (x - denoise(x, level)) / level


def pairs(levels):
    return zip(levels[:-1], levels[1:], strict=True)


def split_noise(level, following):
    """How far to step down, and how much fresh noise brings it up to `following` again (variance is kept)."""
    up = min(following, math.sqrt(following**2 * (level**2 - following**2) / level**2))
    return math.sqrt(following**2 - up**2), up


def toward(x, guess, level, following):
    """Exact step of the linear part: the solution when the denoised guess stays as it is (arXiv 2211.01095, eq. 8)."""
    return following / level * x + (1 - following / level) * guess


def euler(denoise, x, levels):
    for level, following in pairs(levels):
        x = x + slope(denoise, x, level) * (following - level)
    return x


def euler_ancestral(denoise, x, levels, noise):
    for level, following in pairs(levels):
        down, up = split_noise(level, following)
        x = x + slope(denoise, x, level) * (down - level)
        if following:
            x = x + up * noise(level, following)
    return x


def heun(denoise, x, levels):
    for level, following in pairs(levels):
        first = slope(denoise, x, level)
        ahead = x + first * (following - level)
        x = x + (first + slope(denoise, ahead, following)) / 2 * (following - level) if following else ahead
    return x


def dpm2(denoise, x, levels, noise=None):
    """Midpoint in log sigma; ancestral when `noise` is given."""
    for level, following in pairs(levels):
        down, up = split_noise(level, following) if noise else (following, 0)
        first = slope(denoise, x, level)
        if not down:
            x = x + first * (down - level)
            continue
        middle = math.sqrt(level * down)
        x = x + slope(denoise, x + first * (middle - level), middle) * (down - level)
        x = x + up * noise(level, following) if noise else x
    return x


def lms(denoise, x, levels, order=4):
    """Adams-Bashforth over uneven levels: the polynomial through the last slopes, integrated."""
    slopes = []
    for i, (level, following) in enumerate(pairs(levels)):
        slopes = [slope(denoise, x, level), *slopes][:order]
        nodes = [levels[i - k] for k in range(len(slopes))]
        for j, held in enumerate(slopes):
            others = [n for n in nodes if n != nodes[j]]
            weight = quad(lambda s, o=others, c=nodes[j]: math.prod((s - n) / (c - n) for n in o), level, following)[0]
            x = x + weight * held
    return x


def deis(denoise, x, levels):
    """tAB-DEIS of order 2 with the polynomial in log sigma (arXiv 2204.13902, section 3.3)."""
    held = last = None
    for level, following in pairs(levels):
        now = slope(denoise, x, level)
        weight = 0.0 if held is None else quad(
            lambda s, a=level, b=last: math.log(s / a) / math.log(b / a), level, following, epsabs=1e-12)[0]
        x = x + (following - level - weight) * now + (weight * held if held is not None else 0)
        held, last = now, level
    return x


def dpmpp_2m(denoise, x, levels):
    """DPM-Solver++(2M), arXiv 2211.01095, algorithm 2; the step to zero is of first order."""
    held = gap = None
    for level, following in pairs(levels):
        now = denoise(x, level)
        h = math.log(level / following) if following else math.inf
        guess = now if held is None or not following else now + h / (2 * gap) * (now - held)
        x = toward(x, guess, level, following)
        held, gap = now, h
    return x


def dpmpp_2s(denoise, x, levels):
    """DPM-Solver++(2S), algorithm 1, two levels at a time; what is left over at the end is taken in first order."""
    count, i = len(levels) - 1, 0
    while i < count:
        level, middle = levels[i], levels[i + 1]
        now = denoise(x, level)
        ahead = toward(x, now, level, middle)
        if i + 2 > count or not levels[i + 2]:
            x, i = ahead, i + 1
            continue
        ratio = math.log(level / middle) / math.log(level / levels[i + 2])
        guess = now + (denoise(ahead, middle) - now) / (2 * ratio)
        x, i = toward(x, guess, level, levels[i + 2]), i + 2
    return x


def unipc(denoise, x, levels, order=3):
    """UniPC with B1(h) = h on the denoised picture (arXiv 2302.04867, algorithms 5-8)."""
    lam, held, count = -np.log(levels), [], len(levels) - 1

    def moved(start, i, used, corrected=None):
        """From level i to i+1 by the last `used` guesses, and by `corrected`, the guess at i+1, when it is known."""
        h = lam[i + 1] - lam[i]
        known = [((lam[i - k] - lam[i]) / h, held[i - k]) for k in range(1, used)]
        known += [(1.0, corrected)] if corrected is not None else []
        result = toward(start, held[i], levels[i], levels[i + 1])
        phi, right = math.expm1(-h) / -h - 1, []
        for power in range(1, len(known) + 1):
            right.append(phi * math.factorial(power) / -h)
            phi = phi / -h - 1 / math.factorial(power + 1)
        rows = np.array([[ratio**p for ratio, _ in known] for p in range(len(known))])
        weights = [0.5] if len(known) == 1 else np.linalg.solve(rows, right) if known else []
        return result + h * sum(w / ratio * (guess - held[i]) for w, (ratio, guess) in zip(weights, known, strict=True))

    start, used = x, 1
    for i in range(count):
        guess = denoise(x, levels[i])
        start = moved(start, i - 1, used, corrected=guess) if i else x
        held.append(guess)
        used = min(order, count - i, i + 1)
        x = moved(start, i, used)
    return x


def ddim_grid(count, steps):
    """Training timesteps of DDIM and PLMS: every (count // steps)-th from 1 up, noisiest first, and 0 as the end."""
    return [*(1 + k * (count // steps) for k in reversed(range(steps))), 0]


def plms(denoise, x, levels):
    """Pseudo linear multistep (arXiv 2202.09778, eq. 12): Adams-Bashforth on the noise, first step averaged."""
    held = []
    for i, (level, following) in enumerate(pairs(levels)):
        now = slope(denoise, x, level)
        if i == 0:
            ahead = x + now * (following - level)
            used = (now + slope(denoise, ahead, following)) / 2
        elif i == 1:
            used = (3 * now - held[0]) / 2
        elif i == 2:
            used = (23 * now - 16 * held[0] + 5 * held[1]) / 12
        else:
            used = (55 * now - 59 * held[0] + 37 * held[1] - 9 * held[2]) / 24
        x = x + used * (following - level)
        held = [now, *held][:3]
    return x


def dpmpp_2m_sde(denoise, x, levels, noise, heun=False):
    """SDE-DPM-Solver++(2M), arXiv 2211.01095, appendix; both published forms of the correction."""
    held = gap = None
    for level, following in pairs(levels):
        now = denoise(x, level)
        if not following:
            return now
        h = math.log(level / following)
        gain = -math.expm1(-2 * h)
        x_new = following / level * math.exp(-h) * x + gain * now + following * math.sqrt(gain) * noise(level,
                                                                                                        following)
        if held is not None:
            change = (now - held) * h / gap
            x_new = x_new + ((1 - gain / (2 * h)) if heun else gain / 2) * change
        x, held, gap = x_new, now, h
    return x


def dpmpp_3m_sde(denoise, x, levels, noise):
    """The third-order member of the same family: a quadratic in lam through the last three guesses."""
    held, gaps = [], []
    for level, following in pairs(levels):
        now = denoise(x, level)
        if not following:
            return now
        h = math.log(level / following)
        gain = -math.expm1(-2 * h)
        x = following / level * math.exp(-h) * x + gain * now + following * math.sqrt(gain) * noise(level, following)
        first = 1 - gain / (2 * h)
        if len(held) == 1:
            x = x + first * (now - held[0]) * h / gaps[0]
        elif held:
            r0, r1 = gaps[0] / h, gaps[1] / h
            d0, d1 = (now - held[0]) / r0, (held[0] - held[1]) / r1
            bend = (d0 - d1) / (r0 + r1)
            x = x + first * (d0 + r0 * bend) - (first / (2 * h) - 0.5) * bend
        held, gaps = [now, *held][:2], [h, *gaps][:2]
    return x


def dpmpp_sde(denoise, x, levels, noise):
    """DPM-Solver++ (stochastic, r = 1/2): a noisy half step in log sigma, then a whole one with the guess there."""
    for level, following in pairs(levels):
        now = denoise(x, level)
        if not following:
            return now
        middle = math.sqrt(level * following)
        down, up = split_noise(level, middle)
        half = toward(x, now, level, down) + up * noise(level, middle)
        guess = denoise(half, middle)
        down, up = split_noise(level, following)
        x = toward(x, guess, level, down) + up * noise(level, following)
    return x


def mixture(seed=0, modes=5, shape=(2, 4, 4)):
    """The exact denoiser of a small Gaussian mixture: E[picture | picture + level * noise]."""
    rng = torch.Generator().manual_seed(seed)
    means = torch.randn((modes, *shape), generator=rng, dtype=torch.float64)
    spread = 0.25

    def denoise(x, level):
        flat, centres = x.flatten(1), means.flatten(1)
        scale = spread**2 + float(level) ** 2
        share = torch.softmax(-((flat[:, None] - centres[None]) ** 2).sum(-1) / (2 * scale), dim=1)
        pulled = centres[None] + spread**2 / scale * (flat[:, None] - centres[None])
        return (share[..., None] * pulled).sum(1).reshape(x.shape)

    return denoise
